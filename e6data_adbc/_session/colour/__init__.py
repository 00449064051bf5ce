"""Which deployment a call goes to: the table of its states, the routes, and the file that processes share."""
