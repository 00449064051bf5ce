"""The messages of the wire: generated protobuf classes, and nothing written by hand."""
