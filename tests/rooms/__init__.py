"""Tests of what needs packages of its own: `make rooms` runs them."""
