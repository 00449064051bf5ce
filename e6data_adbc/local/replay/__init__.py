"""Recorded answers in the place of DuckDB."""
