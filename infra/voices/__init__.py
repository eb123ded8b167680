"""Text to speech: one voice a file behind one port, and the spoken form of what is written."""
