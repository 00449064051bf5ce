"""What the project does to itself: checks, generators, the demonstration."""
