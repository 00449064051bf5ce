"""Destinations that speak SQL and have transactions: the watermark is a row of `e6_loads`, in the rows' own commit."""
