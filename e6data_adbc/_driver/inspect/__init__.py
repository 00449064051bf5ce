"""What is asked about a statement or a connection in place of rows."""
