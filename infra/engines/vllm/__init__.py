"""vLLM in an environment of its own: what the machine can run, installing, starting, and why it did not start."""
