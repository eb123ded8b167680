"""The WebSocket: schemas/socket, bound to the bus."""
