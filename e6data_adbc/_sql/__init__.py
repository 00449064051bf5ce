"""SQL as text: its tokens, the places of parameters, and values as literals."""
