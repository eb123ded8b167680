"""Where bytes that are too large for an event lie, addressed by their own SHA-256."""
