"""Takes lines of a dump into the log, each message once, beside what the stream brings.

Runs in the writer's thread; what it is given is one transaction. A message is known when the log has its event's id, or
its place: what is on record stays. What is new goes under a stream of its own, named `import:…`, since how far the log
has read the stream of that name is another matter, and that stream may be one of another Parley.
Unlike for what the stream brings, all of the log is searched for copies: a dump may be of any age.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.event_log.appending import INSERTED, STAGED_COLUMNS, Appending
from infra.event_log.archive import RECENT
from infra.event_log.content import without_content
from infra.event_log.duck import Connection
from infra.event_log.lines import Imported
from infra.event_log.port import IMPORTED, StreamIdentity, TakenIn

_STAGE = f"""
CREATE OR REPLACE TEMP TABLE staged_import AS
SELECT {STAGED_COLUMNS}, recorded_at FROM {RECENT} LIMIT 0"""
_DROP_COPIES = """
DELETE FROM staged_import s USING {events} e
WHERE e.id = s.id AND e.turn BETWEEN $low::UUID AND $high::UUID"""
_DROP_KNOWN = """
DELETE FROM staged_import s USING {events} e
WHERE e.stream IN ($stream, $imported) AND e.stream_seq BETWEEN $low AND $high AND s.stream_seq = e.stream_seq"""
_INSERT = f"""
INSERT INTO {RECENT} (log_seq, stream, {INSERTED}, recorded_at)
SELECT $before + row_number() OVER (ORDER BY stream_seq), $stream, {INSERTED}, recorded_at
FROM staged_import ORDER BY stream_seq"""
_NEW_STREAM = "INSERT INTO streams VALUES ($stream, $name, $created, 0, $now)"
_MOVE = "UPDATE streams SET position = greatest(position, $position), updated_at = $now WHERE stream = $stream"


class Importing:
    """The writer's side of one open log, for what comes from files."""

    def __init__(self, connection: Connection, appending: Appending) -> None:
        self._connection = connection
        self._appending = appending
        self._archive = appending.archive

    def take_in(self, lines: Sequence[Imported], now: datetime) -> TakenIn:
        """Record what the log does not have; on the disk when this returns, and nothing of it when this raises."""
        return self._archive.consulted(lambda: self._take_in(lines, now), now)

    def _take_in(self, lines: Sequence[Imported], now: datetime) -> TakenIn:
        self._appending.read_progress()
        recorded = 0
        try:
            with self._connection.transaction():
                before = self._appending.log_seq
                streams = dict(self._appending.streams)
                for stream in dict.fromkeys(line.stream for line in lines):
                    rows = _each_once(line for line in lines if line.stream == stream)
                    recorded += self._record(stream, rows, streams, before + recorded, now)
        finally:
            self._appending.in_doubt()
        return TakenIn(recorded, len(lines) - recorded)

    def _record(
        self,
        stream: StreamIdentity,
        rows: Sequence[Imported],
        streams: dict[StreamIdentity, tuple[int, int]],
        before: int,
        now: datetime,
    ) -> int:
        own = StreamIdentity(f"{IMPORTED}{stream.name}", stream.created)
        number, _ = streams.get(own, (len(streams) + 1, 0))
        known_as, _ = streams.get(stream, (number, 0))
        self._connection.run(_STAGE)
        kept = (lambda row: row) if self._appending.keeps_content else without_content
        self._connection.append("staged_import", [(*kept(row.columns), row.recorded_at) for row in rows])
        turns = [row.columns.turn for row in rows if row.columns.id is not None and row.columns.turn is not None]
        if turns:
            first, last = min(turns), max(turns)
            events = self._archive.by_turn(first, last)
            self._connection.run(_DROP_COPIES.format(events=events), {"low": first, "high": last})
        low, high = rows[0].columns.stream_seq, rows[-1].columns.stream_seq
        events = self._archive.by_place((known_as, number), low, high)
        self._connection.run(
            _DROP_KNOWN.format(events=events), {"stream": known_as, "imported": number, "low": low, "high": high}
        )
        [(written,)] = self._connection.run(_INSERT, {"before": before, "stream": number})
        assert isinstance(written, int)  # the count of an INSERT
        if written:
            if own not in streams:
                told = {"stream": number, "name": own.name, "created": own.created, "now": now}
                self._connection.run(_NEW_STREAM, told)
                streams[own] = (number, 0)
            self._connection.run(_MOVE, {"stream": number, "position": high, "now": now})
        return written


def _each_once(lines: Iterable[Imported]) -> list[Imported]:
    """In the order of the stream, the first of each place and of each event."""
    places: set[int] = set()
    ids: set[str] = set()
    found = []
    for line in sorted(lines, key=lambda line: line.columns.stream_seq):
        if line.columns.stream_seq in places or line.columns.id in ids:
            continue
        places.add(line.columns.stream_seq)
        if line.columns.id is not None:
            ids.add(line.columns.id)
        found.append(line)
    return found
