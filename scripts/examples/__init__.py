"""Programs to begin from, that import nothing of Parley."""
