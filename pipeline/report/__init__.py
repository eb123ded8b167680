"""What the log says of Parley: asked once, then told on a terminal, as JSON, or as a page."""
