"""What a machine may do to `parley up`: crash in the middle of turns, and come back with a damaged file."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from infra import instance
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.server import BusAddress
from pipeline import wiring
from schemas import subjects
from schemas.catalogue import decode
from schemas.event import Event, Fact
from schemas.intake import TextSubmitted
from schemas.turns import TurnCompleted, TurnEnd

if TYPE_CHECKING:
    from tests.conftest import NewEvent, Parley

    Until = Callable[..., Awaitable[Any]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]
TURNS = 12


def bus_of(parley: "Parley") -> Bus:
    running = instance.find(parley.data)
    assert running is not None
    return Bus(BusAddress(running.bus_url, running.bus_token), name="front-end")


async def ends(bus: Bus) -> list[Event[Fact]]:
    return [decode(m.data) for _, m in await bus.messages(subjects.EVENT_STREAM, subjects.every(TurnEnd.token))]


async def accepted(parley: "Parley", new_event: "NewEvent") -> list[Event[Fact]]:
    """Turns that the bus has taken, none of them waited for."""
    turns = [new_event(TextSubmitted(text=f"note to call friend number {n}"), speech=False) for n in range(TURNS)]
    async with bus_of(parley) as bus:
        for turn in turns:
            await bus.say(turn, Hop("front-end"))
    return turns


async def crashed_in_mid_turn(parley: "Parley", new_event: "NewEvent") -> list[Event[Fact]]:
    """The turns that it had taken when everything was killed."""
    await asyncio.to_thread(lambda: parley.up().ready())
    turns = await accepted(parley, new_event)
    await asyncio.to_thread(parley.end, signal.SIGKILL)
    return turns


async def all_completed(parley: "Parley", turns: list[Event[Fact]], until: "Until") -> None:
    async with bus_of(parley) as bus:

        async def ended() -> bool:
            return {event.meta.turn for event in await ends(bus)} >= {turn.meta.turn for turn in turns}

        await until(ended, within_s=120)
        assert {type(event.fact) for event in await ends(bus)} == {TurnCompleted}
        assert len(await ends(bus)) == len(turns)


async def test_the_next_start_finishes_what_a_crash_of_everything_left_unfinished(
    new_parley: "Callable[..., Parley]", new_event: "NewEvent", until: "Until"
) -> None:
    parley = new_parley(PARLEY_TURN__TIMEOUT_S="120")
    turns = await crashed_in_mid_turn(parley, new_event)

    await asyncio.to_thread(lambda: parley.up().ready())

    await all_completed(parley, turns, until)
    notes = await asyncio.to_thread(parley.turn, "say", "list my notes", "--no-speech", "--user", "ann")
    assert notes["tasks"][0]["message"].startswith(f"You have {TURNS} notes")


async def test_a_damaged_state_is_told_at_the_start_and_loses_nothing_once_it_is_restored(
    new_parley: "Callable[..., Parley]", new_event: "NewEvent", until: "Until"
) -> None:
    parley = new_parley(PARLEY_TURN__TIMEOUT_S="120")
    turns = await crashed_in_mid_turn(parley, new_event)
    state = parley.data / wiring.STATE_FILE
    with closing(sqlite3.connect(state)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # into the file that is damaged then
    files = {path: path.read_bytes() for path in parley.data.glob(f"{wiring.STATE_FILE}*")}
    for path in files:
        path.unlink()
    state.write_bytes(files[state][:4096] + b"\xff" * (len(files[state]) - 4096))

    refused = await asyncio.to_thread(lambda: parley.up().process.wait(120))

    assert refused == 3, parley.told
    [line] = parley.told.splitlines()  # no process was started
    assert line.startswith(f"parley: {state}: the file is damaged")
    assert "restore a backup (all of state.sqlite3*), or move those files away to begin anew" in line
    for path, content in files.items():
        path.write_bytes(content)

    await asyncio.to_thread(lambda: parley.up().ready())

    await all_completed(parley, turns, until)
