"""Training data from a folder of texts: read, made plain, masked, cut at sentence ends, measured, split, written."""
