"""The queries that the engine holds, from prepare to clear."""
