"""Results that are more, or less, than the rows of one query."""
