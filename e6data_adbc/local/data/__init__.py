"""What the engine serves: catalogs, tables and types, on DuckDB."""
