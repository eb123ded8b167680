"""Everything that can be slow, absent or broken, one thing a file. Knows the schemas and nothing of stages."""
