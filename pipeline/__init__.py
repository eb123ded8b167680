"""Whoever sees more than one stage: topology, keeper, worker, policies, supervisor, front-ends, command line."""
