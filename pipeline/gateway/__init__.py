"""The front door: Parley for browsers and programs, over HTTP and WebSocket."""
