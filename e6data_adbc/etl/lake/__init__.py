"""Destinations that are lake tables: the watermark's version is a transaction of the table's own log."""
