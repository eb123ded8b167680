"""Writes batches: the rows, each once, and how far the stream has been read, in one transaction.

Runs in one thread. That a row stands once rests on three things, none of which is an index that grows for ever:
- a message that was recorded before is known by its place in the stream. Only a batch that reaches back to or below
  the recorded position is looked up, and only among the rows of its own span of sequence numbers. The position alone
  decides nothing: after a kill, JetStream delivers newer messages before those that were under way when it happened,
  so a message below the position may still be missing;
- an event that came again as another message is known by its id. Copies of an event share its turn, so they are
  sought among the rows of the batch's span of turns, at most `copies_window_rows` back;
- both are sought in the archive too, in those files whose spans the batch touches (archive.py), which is rare: it takes
  a message that was recorded many days ago;
- the log has one writer, because DuckDB gives the file to one process.
Rows lie in the file in about the order of both sequence and turn, so DuckDB skips all row groups outside the spans.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from infra.event_log import columns
from infra.event_log.archive import RECENT, Archive
from infra.event_log.columns import Columns
from infra.event_log.content import without_content
from infra.event_log.duck import Connection
from infra.event_log.port import INVALID, Appended, Batch, StreamChanged, StreamIdentity

INSERTED: Final = ", ".join(f'"{name}"' for name in Columns._fields)
_AS_TEXT = {"conversation", "turn", "payload", "rest"}  # four times as fast to append; cast on INSERT, all rows at once
STAGED_COLUMNS: Final = ", ".join(
    f'"{name}"::VARCHAR AS "{name}"' if name in _AS_TEXT else f'"{name}"' for name in Columns._fields
)
_STAGE = f"CREATE OR REPLACE TEMP TABLE staged AS SELECT {STAGED_COLUMNS} FROM {RECENT} LIMIT 0"
_SPAN = "e.stream = $stream AND e.stream_seq BETWEEN $low AND $high AND s.stream_seq = e.stream_seq"
_CHANGED = f"SELECT min(s.stream_seq) FROM staged s, {{events}} e WHERE {_SPAN} AND s.id <> e.id"
_DROP_REDELIVERED = f"DELETE FROM staged s USING {{events}} e WHERE {_SPAN}"
_DROP_REMOVED = """
DELETE FROM staged WHERE stream_seq BETWEEN $low AND $high AND (turn IS NULL OR turn::UUID <= $newest::UUID)"""
_DROP_COPIES = """
DELETE FROM staged s USING {events} e
WHERE e.id = s.id AND e.turn BETWEEN $low::UUID AND $high::UUID AND e.log_seq > $after"""
_INSERT = f"""
INSERT INTO {RECENT} (log_seq, stream, {INSERTED}, recorded_at)
SELECT $before + row_number() OVER (ORDER BY stream_seq), $stream, {INSERTED}, $now FROM staged ORDER BY stream_seq"""
_MOVE = "UPDATE streams SET position = $position, updated_at = $now WHERE stream = $stream"
_NEW_STREAM = "INSERT INTO streams VALUES ($stream, $name, $created, 0, $now)"


class Appending:
    """The writer's side of one open log."""

    def __init__(
        self, connection: Connection, archive: Archive, copies_window_rows: int, keeps_content: bool = True
    ) -> None:
        """`keeps_content` False: what was said is left out of each row."""
        self._connection = connection
        self.archive = archive
        self.keeps_content = keeps_content
        self._window = copies_window_rows
        self.read_progress()

    def read_progress(self) -> None:
        """Take from the database how far it is: at the start, and when a batch may or may not have been committed."""
        with self._connection.transaction():
            [(last,)] = self._connection.run(f"SELECT coalesce(max(log_seq), 0) FROM {RECENT}")
            rows = self._connection.run("SELECT stream, name, created, position FROM streams")
        self.log_seq = max(_whole(last), self.archive.last_log_seq())
        self.streams = {
            StreamIdentity(str(name), _moment(created)): (_whole(number), _whole(position))
            for number, name, created, position in rows
        }
        self._in_doubt = False

    def in_doubt(self) -> None:
        """Somebody else has written: look how far the log is before the next batch."""
        self._in_doubt = True

    def position(self, stream: StreamIdentity) -> int:
        """The highest sequence number seen of this stream; 0 when it is new."""
        return self.streams.get(stream, (0, 0))[1]

    def append(self, batch: Batch, now: datetime) -> Appended:
        """Record a batch; on the disk when this returns, and nothing of it when this raises.

        Raises StreamChanged, or the database's error (disk full, memory): then the same batch may be tried again.
        """
        if not batch.rows:
            return Appended(0, position=self.position(batch.stream))
        if self._in_doubt:
            self.read_progress()
        self._in_doubt = True
        done = self.archive.consulted(lambda: self._append(batch, now), now)
        self._in_doubt = False
        return done

    def _append(self, batch: Batch, now: datetime) -> Appended:
        read = map(columns.columns_of, batch.rows)
        staged, redelivered, copies = _each_once(read if self.keeps_content else map(without_content, read))
        low, high = min(staged), max(row.stream_seq for row in batch.rows)
        number, position = self.streams.get(batch.stream, (len(self.streams) + 1, 0))
        with self._connection.transaction():
            if batch.stream not in self.streams:
                self._connection.run(
                    _NEW_STREAM,
                    {"stream": number, "name": batch.stream.name, "created": batch.stream.created, "now": now},
                )
            self._connection.run(_STAGE)
            self._connection.append("staged", staged.values())
            if low <= position:
                redelivered += self._drop_redelivered(batch.stream, number, low, min(high, position))
            copies += self._drop_copies(staged.values())
            written = self._changed(_INSERT, {"before": self.log_seq, "stream": number, "now": now})
            position = max(position, high)
            self._connection.run(_MOVE, {"position": position, "now": now, "stream": number})
            invalid = self._count_invalid(staged.values())
        self.log_seq += written
        self.streams[batch.stream] = (number, position)
        return Appended(written, redelivered, copies, invalid, position)

    def _drop_redelivered(self, stream: StreamIdentity, number: int, low: int, high: int) -> int:
        span = {"stream": number, "low": low, "high": high}
        events = self.archive.by_place([number], low, high)
        [(changed,)] = self._connection.run(_CHANGED.format(events=events), span)
        if changed is not None:
            raise StreamChanged(stream, _whole(changed))
        dropped = self._changed(_DROP_REDELIVERED.format(events=events), span)
        for removed, newest in self.archive.removed_within(number, low, high):
            told = {"low": removed.first, "high": removed.last, "newest": newest}
            dropped += self._changed(_DROP_REMOVED, told)
        return dropped

    def _drop_copies(self, staged: Iterable[Columns]) -> int:
        turns = [row.turn for row in staged if row.id is not None and row.turn is not None]
        if not turns:
            return 0
        low, high, after = min(turns), max(turns), self.log_seq - self._window
        events = self.archive.by_turn(low, high, after)
        return self._changed(_DROP_COPIES.format(events=events), {"low": low, "high": high, "after": after})

    def _count_invalid(self, staged: Iterable[Columns]) -> int:
        """How many of those that were written; some may have been dropped as delivered before."""
        if all(row.type != INVALID for row in staged):
            return 0
        [(count,)] = self._connection.run("SELECT count(*) FROM staged WHERE type = $type", {"type": INVALID})
        return _whole(count)

    def _changed(self, sql: str, parameters: Mapping[str, object]) -> int:
        [(count,)] = self._connection.run(sql, parameters)
        return _whole(count)


def last_position(connection: Connection, stream_name: str) -> int:
    """How far the log got in the newest stream of this name, for whoever only reads; 0 when it never heard of it."""
    with connection.transaction():
        rows = connection.run(
            "SELECT position FROM streams WHERE name = $name ORDER BY created DESC LIMIT 1", {"name": stream_name}
        )
    return _whole(rows[0][0]) if rows else 0


def _each_once(read: Iterable[Columns]) -> tuple[dict[int, Columns], int, int]:
    """Rows by sequence number, the first of each event; how many were repeated messages, and how many copies."""
    staged: dict[int, Columns] = {}
    ids: set[str] = set()
    redelivered = copies = 0
    for row in sorted(read, key=lambda row: row.stream_seq):
        if row.stream_seq in staged:
            redelivered += 1
        elif row.id is not None and row.id in ids:
            copies += 1
        else:
            staged[row.stream_seq] = row
            if row.id is not None:
                ids.add(row.id)
    return staged, redelivered, copies


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number from the database, got {value!r}")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a time from the database, got {value!r}")
    return value
