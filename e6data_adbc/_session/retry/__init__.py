"""What follows a failed call: the table, the rule that reads it, and what one user call may spend."""
