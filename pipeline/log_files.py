"""The log to a file and back, piece by piece, through whoever can be asked and told: its owner, or the file itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from infra.event_log import lines
from infra.event_log.lines import LINE_MAX_BYTES, LineRefused
from infra.event_log.port import Parameter, Table, TakenIn
from schemas.errors import InvalidField, SchemaError

Ask = Callable[[str, Mapping[str, Parameter]], Awaitable[Table]]
TakeIn = Callable[[bytes], Awaitable[TakenIn]]

IDS_PAGE: Final = 9_000  # within the 10,000 rows of an answer, and the bytes that the bus carries
NO_TURN: Final = "00000000-0000-0000-0000-000000000000"  # before all others
UPTO: Final = "SELECT coalesce(max(log_seq), 0) FROM events"
SPAN_ROWS: Final = 20_000  # of the log that one question looks at
PAGE_ROWS: Final = 500
PAGE_CHARS: Final = 150_000  # of payloads; escaped twice, and with all else, it stays within an answer over the bus
PIECE_BYTES: Final = 500_000  # of lines that are taken in at once, some 700 events
PIECE_LINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the log; None: all."""

    run: str | None = None
    conversation: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # left out

    def parameters(self) -> dict[str, Parameter]:
        """As PAGE_SQL takes them."""
        return {"run": self.run, "conversation": self.conversation, "from": self.since, "to": self.until}


async def turn_ids(ask: Ask, sql: str, asked: Mapping[str, Parameter]) -> list[str]:
    """All ids that a question gives by pages of IDS_PAGE, each `turn > $after`, in their order."""
    ids: list[str] = []
    while rows := (await ask(sql, {**asked, "after": ids[-1] if ids else NO_TURN})).rows:
        ids += (str(turn) for (turn,) in rows)
    return ids


async def dumped(ask: Ask, wanted: Wanted) -> AsyncIterator[str]:
    """The lines of what the log has now, in the order in which it was recorded."""
    [(before, last)] = (await ask(lines.EXTENT_SQL, {})).rows
    at, end = int(str(before)), int(str(last))
    size = {"page_rows": PAGE_ROWS, "page_chars": PAGE_CHARS}
    while at < end:
        until = min(at + SPAN_ROWS, end)
        page = await ask(lines.PAGE_SQL, {**wanted.parameters(), **size, "after": at, "until": until})
        for row in page.rows:
            told = dict(zip(page.columns, row, strict=True))
            at = int(str(told["log_seq"]))
            yield lines.line_of(told)
        if not page.rows:
            at = until


def read(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not empty, with their numbers from 1; a line that is too long comes cut.

    Raises InvalidField when the file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            number = 0
            while line := opened.readline(LINE_MAX_BYTES + 2):
                number += 1
                rest = line
                while not rest.endswith(b"\n") and (rest := opened.readline(LINE_MAX_BYTES)):
                    pass
                if line := line.rstrip(b"\r\n"):
                    yield number, line
    except OSError as error:
        raise InvalidField("FILE", str(file), f"a file that can be read ({error.strerror})") from None


def refusals(file: Path) -> Iterator[LineRefused]:
    """What is wrong with the lines of a file, one after the other."""
    for number, line in read(file):
        if (bad := _refusal(file, number, line)) is not None:
            yield bad


def _refusal(file: Path, number: int, line: bytes) -> LineRefused | None:
    try:
        lines.imported(line)
    except SchemaError as why:
        return LineRefused(f"{file}:{number}", why)
    return None


async def taken_in(file: Path, take_in: TakeIn, leave_out: Callable[[LineRefused], None] | None = None) -> TakenIn:
    """Take in a file; lines that are bad are told to `leave_out` and left out.

    Without it all lines must be good: whoever writes the log reads them anyway, and refuses.
    """
    recorded = known = size_bytes = 0
    piece: list[bytes] = []

    async def hand_over() -> None:
        nonlocal recorded, known, size_bytes
        done = await take_in(b"\n".join(piece))
        recorded, known, size_bytes = recorded + done.recorded, known + done.known, 0
        piece.clear()

    for number, line in read(file):
        if leave_out is not None and (bad := _refusal(file, number, line)) is not None:
            leave_out(bad)
            continue
        if piece and (size_bytes + len(line) > PIECE_BYTES or len(piece) == PIECE_LINES):
            await hand_over()
        piece.append(line)
        size_bytes += len(line) + 1
    if piece:
        await hand_over()
    return TakenIn(recorded, known)
