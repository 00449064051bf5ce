"""e6data's SQL dialect in DuckDB's words."""
