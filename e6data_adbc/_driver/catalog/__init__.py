"""What the server has, in the shapes that ADBC prescribes."""
