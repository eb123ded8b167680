"""The parts of scripts/bench/load: a prompt engine, visitors who wait for answers, what is read off, the tables."""
