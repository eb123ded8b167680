"""What scripts/bench/listening plays into microphones, and what it measures."""
