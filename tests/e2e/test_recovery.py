"""What a machine may do to `parley up`: crash in the middle of turns, damage its files, take its folders away."""

import asyncio
import json
import shutil
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
from infra.bus.errors import BusFull
from infra.bus.server import BusAddress
from pipeline import topology, wiring
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


async def test_a_state_that_is_damaged_under_a_running_parley_is_told_by_all_who_are_asked(
    new_parley: "Callable[..., Parley]", new_event: "NewEvent", until: "Until"
) -> None:
    parley = new_parley(PARLEY_TURN__TIMEOUT_S="120")
    await asyncio.to_thread(lambda: parley.up().ready())
    await asyncio.to_thread(parley.turn, "say", "note to buy milk", "--no-speech")
    assert (await asyncio.to_thread(parley.command, "status")).returncode == 0
    state = parley.data / wiring.STATE_FILE
    with closing(sqlite3.connect(state)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = state.read_bytes()
    state.write_bytes(b"\xff" * len(whole))

    broken = f"no turn can be answered until Parley is ended and its state mended: {state}: the file is no database, "
    mending = "; restore a backup (all of state.sqlite3*), or move those files away to begin anew"

    async def neither_keeper_nor_router() -> bool:
        standing = json.loads((await asyncio.to_thread(parley.command, "status", "--json")).stdout)
        return not any(worker["processes"] for worker in standing["workers"] if worker["name"] in topology.OPEN_STATE)

    await until(neither_keeper_nor_router)
    for _ in range(2):  # while they are started again and again
        told = await asyncio.to_thread(parley.command, "status")
        [wrong] = [line for line in told.stdout.splitlines() if line.startswith("wrong")]
        assert wrong.startswith(f"wrong   {broken}")
        assert wrong.endswith(mending)
        assert told.returncode == 1
    refused = await asyncio.to_thread(parley.command, "say", "note to buy tea")
    assert (refused.returncode, refused.stderr.count(broken)) == (4, 1)
    assert "restart    keeper ended with status 65 (keeper: " in parley.told

    turn = new_event(TextSubmitted(text="note to call mum"), speech=False)
    async with bus_of(parley) as bus:

        async def accepted_as_if_just_before() -> bool:
            await bus.open_intake()
            try:
                await bus.say(turn, Hop("front-end"))
            except BusFull:  # a keeper was started again just then, and has closed it
                return False
            return True

        await until(accepted_as_if_just_before)
    await asyncio.to_thread(parley.end)
    for path in parley.data.glob(f"{wiring.STATE_FILE}*"):
        path.unlink()
    state.write_bytes(whole)
    await asyncio.to_thread(lambda: parley.up().ready())

    async with bus_of(parley) as bus:

        async def ended() -> bool:
            return turn.meta.turn in {event.meta.turn for event in await ends(bus)}

        await until(ended)
    assert (await asyncio.to_thread(parley.turn, "say", "thanks", "--no-speech"))["status"] == "completed"
    assert (await asyncio.to_thread(parley.command, "status")).returncode == 0


async def test_a_bus_whose_folder_is_removed_says_so_and_goes_on_with_an_empty_one(
    new_parley: "Callable[..., Parley]",
) -> None:
    parley = new_parley()
    await asyncio.to_thread(lambda: parley.up().ready())
    await asyncio.to_thread(parley.turn, "say", "note to buy milk", "--no-speech")

    await asyncio.to_thread(shutil.rmtree, parley.data / "nats")
    why = f"has lost its folder {parley.data / 'nats'}, which was removed or moved while it ran"
    await asyncio.to_thread(parley.wait_for, lambda: f"bus        {why}" in parley.told)

    turn = await asyncio.to_thread(parley.turn, "say", "list my notes", "--no-speech")
    assert turn["tasks"][0]["message"] == "You have 1 note: 'buy milk'."
    told = await asyncio.to_thread(parley.command, "status")
    assert f"wrong   the bus {why}" in told.stdout
    assert "room" not in parley.told
