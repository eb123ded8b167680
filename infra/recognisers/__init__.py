"""Speech to text: one recogniser a file behind one port."""
