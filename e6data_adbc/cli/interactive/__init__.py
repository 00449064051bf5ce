"""The shell: what it does with a line, what it completes, and how it reads from the terminal."""
