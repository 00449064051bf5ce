"""Tests of `e6data_adbc.lazy`, through `e6data_adbc.polars`."""
