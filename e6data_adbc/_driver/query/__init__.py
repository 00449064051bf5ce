"""One query on the server: opened, executed, fetched, cleared."""
