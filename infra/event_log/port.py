"""What the event log takes in and gives back, and what can go wrong. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeAlias

from schemas.errors import InvalidField

IMPORTED: Final = "import:"  # how the names of streams begin that came from dumps; none on a bus has a colon
INVALID: Final = "invalid"  # the `type` of a row whose payload is no event that this Parley can read

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Parameter: TypeAlias = str | int | float | bool | datetime | list[str] | None


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """Which stream a sequence number belongs to.

    A stream that was deleted and made again has the same name and starts at 1 anew; its creation time tells it apart.
    """

    name: str
    created: datetime

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise InvalidField("stream.created", self.created, "a time with its time zone")


@dataclass(frozen=True, slots=True)
class Row:
    """One message as the stream holds it."""

    stream_seq: int  # its place in the stream, from 1
    subject: str
    headers: Mapping[str, str]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one stream, in any order; some may have been delivered before."""

    stream: StreamIdentity
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch; it is on the disk."""

    recorded: int  # rows that were written, the invalid ones among them
    redelivered: int = 0  # rows left out because this very message had been recorded before
    copies: int = 0  # rows left out because their event had been recorded under another sequence number
    invalid: int = 0  # rows recorded as INVALID
    position: int = 0  # the highest sequence number of this stream that the log has seen


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of lines of a dump; it is on the disk."""

    recorded: int  # events, and messages that were none, that the log did not have
    known: int  # those that it had


@dataclass(frozen=True, slots=True)
class RemovedDay:
    """What was taken out of the archive for good."""

    day: date  # in UTC
    rows: int
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a question. Values are what JSON can hold: times as ISO 8601, decimals and UUIDs as strings."""

    columns: tuple[str, ...]
    types: tuple[str, ...]  # DuckDB's names, e.g. "TIMESTAMP WITH TIME ZONE"
    rows: tuple[tuple[Json, ...], ...]
    truncated: bool = False  # there were more rows, or bytes, than allowed
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Packed:
    """The answer to a question as one piece of bytes, for one that is too large to be held whole; see packing.py."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: bytes
    count: int  # rows
    size_bytes: int  # of the rows as JSON
    truncated: bool = False
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much the log may use. Each has a name, so that reaching it can be told."""

    memory_mb: int = 512  # of DuckDB's buffers, for ingest and all questions together
    spill_mb: int = 1024  # on disk, beside the file, while a question sorts or groups more than fits into memory
    threads: int = 1
    """For one statement. With one, a question runs in its reader's own thread, which lets others go first; more make
    a single question faster, in threads that compete with ingest (on 2 cores: 2.8k instead of 11k rows a second)."""
    unsaved_kb: int = 8_192
    """So much of the newest rows DuckDB keeps in memory, and must read again after a crash, before it writes them into
    the file of its own accord. More than usually comes between two renewals, which write them too: after writing it
    keeps up to 60 MB until the file is closed."""
    group_rows: int = 16_384
    """DuckDB compresses so many rows at once, and all of the last group anew whenever it writes. With its own 122,880
    the process needs up to 210 MB for that instead of 130 (75 in between), and a batch waits 0.9 s instead of 0.14."""
    renew_rows: int = 8_000
    """After so many new rows the file is closed and opened anew: DuckDB gives back what it has kept of what it read
    and wrote only then (some 90 bytes a row, and 5 KB for each batch). It takes some 35 ms."""
    renew_calm_rows: int = 4_000
    """The same after a batch of fewer than `calm_rows`, which means that ingest is not behind and has the time."""
    calm_rows: int = 1_000
    readers: int = 4  # questions that are answered at once; more wait, and the wait counts
    ask_rows: int = 10_000
    ask_bytes: int = 8 << 20  # of one answer as JSON
    pack_rows: int = 1_000_000
    pack_bytes: int = 64 << 20  # of one large answer as JSON; packed it is held in memory, some 6 to 10 MiB
    ask_timeout_s: float = 30.0
    copies_window_rows: int = 2_000_000
    """How far back, in rows, the log looks for an earlier copy of an event.

    The bus drops copies for two minutes; a later one comes from a message that was redelivered after a worker or the
    whole of Parley was down. Rows are the right measure because none are written while it is down: 2 million are a
    minute of redeliveries at 30,000 events a second, or years of one household.
    """

    def renewed_at(self, batch_rows: int) -> int:
        """After how many new rows the file is opened anew, the last of them in a batch of so many."""
        return min(self.renew_calm_rows, self.renew_rows) if batch_rows < self.calm_rows else self.renew_rows


@dataclass(frozen=True, slots=True)
class Question:
    """One SELECT and its named parameters (`$name` in the SQL)."""

    sql: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


def archive_folder(path: Path) -> Path:
    """Where the closed days of a log lie as Parquet: data/log for data/log.duckdb. Absolute."""
    whole = path.resolve()
    return whole.with_suffix("") if whole.suffix else whole.with_name(f"{whole.name}.days")


class EventLogError(Exception):
    """Common to all that can go wrong with the log itself; the message says what to do."""


class LogMissing(EventLogError):
    """There is no log file yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: there is no event log; it is made when Parley first runs (parley up)")


class LogBusy(EventLogError):
    """Another process owns the file: DuckDB lets nobody else open it, not even for reading."""

    def __init__(self, path: Path, owner_pid: int | None) -> None:
        self.owner_pid = owner_pid
        owner = f"process {owner_pid}" if owner_pid else "another connection of this process"
        super().__init__(
            f"{path}: {owner} owns the event log (a running Parley); ask the owner over the bus instead "
            "(parley log query), or stop it first"
        )


class LogUnreadable(EventLogError):
    """The file is no event log, is damaged, or was written by a Parley or a DuckDB of another version."""


class StreamChanged(EventLogError):
    """A sequence number that is on record now carries another event: the stream was made anew and nobody said so."""

    def __init__(self, stream: StreamIdentity, stream_seq: int) -> None:
        super().__init__(
            f"stream {stream.name}: message {stream_seq} is on record as another event; the stream has been made "
            "anew, so its rows must come with its new creation time"
        )


class LogBroken(EventLogError):
    """The database has given up (a bug of its own, a disk that fails): nothing works until the process starts anew."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the event log cannot go on in this process; start the logger again ({error})")


class NotTakenIn(EventLogError):
    """The database could not record lines of a dump (a full disk, memory): none of them is in the log."""

    def __init__(self, why: BaseException) -> None:
        super().__init__(
            f"the event log could not record these lines and has none of them; take them in again later "
            f"({' '.join(str(why).split())})"
        )


class ArchiveFailed(EventLogError):
    """A closed day could not be moved (a full disk, memory that ingest needed): its events are where they were."""

    def __init__(self, path: str, why: BaseException) -> None:
        super().__init__(f"{path} could not be written, its events stay in the database; try again later ({why})")


class LogClosed(EventLogError):
    """The log was closed while something was asked of it."""

    def __init__(self) -> None:
        super().__init__("the event log is being closed; ask again when its owner runs")


class QueryRefused(InvalidField):
    """The question is not one that the log answers; asking it again is useless."""

    def __init__(self, sql: str, expected: str) -> None:
        super().__init__("sql", sql, expected)


class QueryStopped(QueryRefused):
    """The question took more time or memory than it may."""
