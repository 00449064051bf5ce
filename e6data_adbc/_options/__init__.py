"""Options as values: how each key is parsed, what it defaults to, and how levels stack."""
