"""Tools of others over the dialect: each runs in a process of its own, as a user's script does."""
