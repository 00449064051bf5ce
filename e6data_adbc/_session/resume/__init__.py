"""A suspended cluster is brought back: what is said, who says it, and who is told."""
