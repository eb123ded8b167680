"""The event log: every fact that the stream held, once, in one DuckDB file with one owner, who also answers."""
