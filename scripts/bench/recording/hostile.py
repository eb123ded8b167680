"""Statements that nobody should get an answer to: refused by what they are, or stopped by a limit."""

from typing import Final

REFUSED: Final = (
    "COPY events TO '/tmp/parley-stolen.csv'",
    "ATTACH '/tmp/parley-other.db'",
    "EXPORT DATABASE '/tmp/parley-stolen'",
    "INSTALL httpfs",
    "FROM read_csv('/etc/passwd')",
    "FROM '/etc/passwd'",
    "FROM glob('/etc/*')",
    "SELECT repeat('x', 1000000000)",
    "SELECT 1; DROP TABLE events",
    "WITH x AS (DELETE FROM events RETURNING *) FROM x",
)
STOPPED: Final = (
    "SELECT count(*) FROM range(1000000000000) WHERE hash(range) = 3",
    "SELECT count(*) FROM events a, events b WHERE a.payload <> b.payload",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "SELECT string_agg(payload, '') FROM events, range(100000)",
    "SELECT range, count(*) FROM range(1000000000) GROUP BY 1 ORDER BY 2, 1",
    "SELECT list(a.id) FROM events a, events b",
)
