"""What carries a message over seven hops, each in one file: raw nats-py, Parley's worker, OVOS's bus."""
