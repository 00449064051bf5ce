"""Destinations that are folders of files: a commit is the manifest of the next number, with rows and watermark."""
