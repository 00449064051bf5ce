"""Values bound to a statement: written into its text, or sent beside it."""
