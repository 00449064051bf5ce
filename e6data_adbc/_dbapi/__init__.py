"""The classes of the DB-API module: the driver manager's, made safe to interrupt, to close and to fetch from."""
