"""The kinds of training data, one file each."""
