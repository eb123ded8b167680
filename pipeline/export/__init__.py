"""Training data from the event log: read by turns, made into rows, masked, split, freed of duplicates, written."""
