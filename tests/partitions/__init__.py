"""Partitions: tickets, what they stand for, and who reads them."""
