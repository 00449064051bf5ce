"""Tests behind real proxies."""
