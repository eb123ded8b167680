"""Parts of `scripts/bench/contracts`."""
