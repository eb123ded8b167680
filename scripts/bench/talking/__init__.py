"""What the benches of the gateway share: clients on the socket, and where a gateway is."""
