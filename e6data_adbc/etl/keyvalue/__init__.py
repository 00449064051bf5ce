"""Loads into key-value stores."""
