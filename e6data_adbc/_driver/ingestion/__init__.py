"""Bulk ingestion: bound rows written into a table, also in the place of another."""
