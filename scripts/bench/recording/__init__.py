"""What the benchmarks of the log share: events, a bus with a logger, the bare floor, what a process has cost."""
