"""Polars scans whose columns, filters and limits are the server's work; `e6data_adbc.polars` is the way in."""
