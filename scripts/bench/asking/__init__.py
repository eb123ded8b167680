"""The parts of the benchmarks that put questions to engines: who is asked, how answers are timed, scored and drawn."""
