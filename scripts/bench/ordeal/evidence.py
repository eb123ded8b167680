"""Gathers what an ordeal has left: every message of the stream, the state, the log, the dead letters.

The stream is read while the bus runs, state and log once the workers have ended.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.bus.reading import Stored
from infra.event_log.log import open_read_only
from infra.settings import Settings
from pipeline import topology, wiring
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.event import Event, Fact
from schemas.turns import TurnEnd

LOOK_EVERY_S: Final = 1.0
QUIET_WITHIN_S: Final = 90.0  # for messages that come again after all turns have ended
PAGE_ROWS: Final = 5_000
_STAGES: Final = (*topology.STAGE_NAMES, topology.LOGGER, topology.KEEPER)
_OWNED: Final = (
    ("notes", "text"),
    ("reminders", "title"),
    ("ledger", "person"),
    ("expenses", "purpose"),
    ("appointments", "title"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the event stream."""

    seq: int
    event: Event[Fact]


@dataclass(slots=True)
class Evidence:
    """All that is left."""

    stream: list[Said] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)  # (id, text) of what the skills wrote
    acted: list[tuple[str, int]] = field(default_factory=list)  # (turn, intent) in the order of the transactions
    log: list[tuple[int, str]] = field(default_factory=list)  # (place in the stream, event id)
    dead: list[str] = field(default_factory=list)
    unread: int = 0  # messages that some consumer has not acknowledged at the end
    tracebacks: dict[str, int] = field(default_factory=dict)  # in the processes' logs, by their last line


async def all_ended(bus: Bus, turns: Sequence[str], patience_s: float) -> bool:
    """Wait until every turn has ended, or nothing has ended for `patience_s`. Whether all have."""
    wanted, ended = set(turns), set[str]()
    loop = asyncio.get_running_loop()
    moved = loop.time()
    while wanted - ended:
        found = {
            subjects.parse_subject(message.subject).turn
            for _, message in await _messages(bus, subjects.every(TurnEnd.token))
        }
        if found - ended:
            moved = loop.time()
        ended |= found
        if loop.time() - moved > patience_s:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True


async def quiet(bus: Bus, within_s: float = QUIET_WITHIN_S) -> int:
    """Wait until every message is acknowledged by all who hear it; how many are not when time is up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        try:
            left = sum([sum(await bus.backlog(subjects.EVENT_STREAM, name)) for name in _STAGES])
            left += sum(await bus.backlog(subjects.INTAKE_STREAM, topology.KEEPER))
        except BusUnavailable:
            left = 1
        if not left or loop.time() > until:
            return left
        await asyncio.sleep(LOOK_EVERY_S)


async def of_stream(bus: Bus, into: Evidence) -> None:
    """Every event in its order, and every dead letter. What is no event of its subject's turn is left out."""
    if (await bus.extent(subjects.EVENT_STREAM)).first_seq > 1:
        raise RuntimeError("the stream has forgotten its beginning (pipeline/trimming.py); judge fewer turns, say 800")
    for seq, message in await _messages(bus, "parley.v1.>"):
        with contextlib.suppress(SchemaError):
            into.stream.append(Said(seq, arrived(message.subject, message.data)))
    dead = await bus.messages(subjects.DEAD_STREAM, ">")
    into.dead = [f"{m.headers.get('Parley-Stage')}: {m.headers.get('Parley-Error')}" for _, m in dead]


async def of_disk(settings: Settings, into: Evidence) -> None:
    """State and log; their owners must have ended."""
    with contextlib.closing(sqlite3.connect(wiring.state_path(settings))) as state:
        for table, column in _OWNED:
            into.rows += [(str(row), str(text)) for row, text in state.execute(f"SELECT id, {column} FROM {table}")]
        # The inbox's note is written in the transaction of the effect, and none is deleted in such a short time.
        steps = state.execute("SELECT event_id, step FROM inbox WHERE step LIKE 'intent-%' ORDER BY rowid")
        into.acted = [(event_id[:36], int(step.removeprefix("intent-"))) for event_id, step in steps]
    async with await open_read_only(wiring.log_path(settings)) as log:
        while True:
            page = await log.ask(
                # What is no event is kept too, and has no id.
                "SELECT stream_seq, id FROM events WHERE id IS NOT NULL ORDER BY log_seq LIMIT $many OFFSET $past",
                {"many": PAGE_ROWS, "past": len(into.log)},
            )
            into.log += [(int(str(seq)), str(event_id)) for seq, event_id in page.rows]
            if len(page.rows) < PAGE_ROWS:
                return


def of_logs(folder: Path, into: Evidence) -> None:
    """The errors that ended or disturbed a process."""
    for path in sorted((folder / "logs").glob("*.log")):
        inside = False
        for line in path.read_text(errors="replace").splitlines():
            if inside and line and not line.startswith((" ", "+", "|")):
                inside = False
                last = f"{path.stem.split('-')[0]}: {line[:140]}"
                into.tracebacks[last] = into.tracebacks.get(last, 0) + 1
            inside = inside or "Traceback (most recent call last)" in line


async def _messages(bus: Bus, subject: str) -> list[tuple[int, Stored]]:
    """Those of the event stream, also when a bus that was just killed answers late."""
    while True:
        try:
            return await bus.messages(subjects.EVENT_STREAM, subject)
        except BusUnavailable:
            await asyncio.sleep(LOOK_EVERY_S)
