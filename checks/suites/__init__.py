"""Test suites that others wrote for other drivers, run against this one on the local engine."""
