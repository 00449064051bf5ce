"""The name of the PostgreSQL driver, under which a suite gets connections of this project's driver."""

__version__ = "1.13.0"
