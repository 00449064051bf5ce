"""Signing in: the ways, the tokens and sessions that they give, and what each call carries of them."""
