"""Runs the public connector, unmodified and in a process of its own, against the local engine."""
