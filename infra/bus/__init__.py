"""The bus: the embedded nats-server, streams and consumers, and the connection through FastStream and nats-py."""
