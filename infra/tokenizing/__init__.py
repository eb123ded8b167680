"""Counts tokens as a model does: with the tokenizer inside a GGUF file, or with a tokenizer.json."""
