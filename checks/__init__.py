"""Checks that tests, tools and benchmarks share: each reads or runs the project and says what is wrong."""
