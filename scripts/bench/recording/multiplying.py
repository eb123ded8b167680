"""Makes a large log out of a small one, inside the database."""

from infra.event_log.duck import Connection


def multiplied(connection: Connection, copies: int) -> int:
    """Add so many copies of all events, days later and with ids of their own; how many events there are then."""
    [(count,)] = connection.run("SELECT count(*) FROM events")
    for copy in range(1, copies + 1):
        connection.run(
            """
            INSERT INTO recent_events SELECT * REPLACE (
                log_seq + $copy * $count AS log_seq, stream_seq + $copy * $count AS stream_seq,
                id || '-' || $copy AS id, cause || '-' || $copy AS cause,
                md5(conversation::VARCHAR || $copy)::UUID AS conversation, md5(turn::VARCHAR || $copy)::UUID AS turn,
                time + to_days($copy::INTEGER) AS time, deadline + to_days($copy::INTEGER) AS deadline)
            FROM recent_events WHERE log_seq <= $count""",
            {"copy": copy, "count": count},
        )
    connection.run("UPDATE streams SET position = (SELECT max(stream_seq) FROM events)")
    [(total,)] = connection.run("SELECT count(*) FROM events")
    return int(str(total))
