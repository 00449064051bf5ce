"""The connection manager: who is signed in, on which deployment, and what happens when that ends."""
