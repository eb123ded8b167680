"""The parts of scripts/bench/chaos: a house of processes, what is said in it, what is done to it, what is left."""
