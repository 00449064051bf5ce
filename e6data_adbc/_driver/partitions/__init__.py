"""One result as several tickets, which other processes read."""
