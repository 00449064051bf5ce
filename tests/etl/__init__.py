"""Tests of loads into other systems."""
