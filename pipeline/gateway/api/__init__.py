"""The HTTP endpoints, one kind of thing a file."""
