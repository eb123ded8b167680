"""What one conversation or one worker does to the others: order is kept, and only those suffer that must."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.engines.scripted import Answer, by_question
from pipeline import topology
from schemas.event import Event, Fact
from schemas.turns import TextTurnOpened, TurnCompleted, TurnFailed
from scripts.bench.ordeal import talker
from scripts.bench.ordeal.front import at_the_door
from scripts.bench.ordeal.house import Plan, built
from scripts.bench.ordeal.stopped import stop_one
from tests.e2e.whole import violations

if TYPE_CHECKING:
    from infra.bus.server import BusAddress
    from tests.e2e.whole import Whole

pytestmark = pytest.mark.slow
TWO_OF_EACH = (*topology.PROCESSES, topology.KEEPER, *topology.STAGE_NAMES)
TURNS = 6
QUICK = Answer("They live with people. They like it.", gap_s=0.001)


async def test_several_workers_keep_the_order_while_a_slow_conversation_goes_on(parley: "Whole") -> None:
    slow = Answer("Whales are very large animals of the sea. " * 3, gap_s=0.3)
    parley.engine.script = by_question({"whales": slow}, QUICK)
    await parley.start(*TWO_OF_EACH)
    first = await parley.say(talker.SLOW, to=0, speech=True)
    await parley.told(first, TextTurnOpened)

    turns = [await parley.say(talker.SHORT, to=1, speech=True) for _ in range(TURNS)]
    ends = await parley.ended(*turns)
    [last] = await parley.ended(first)

    assert {type(event.fact) for event in (*ends, last)} == {TurnCompleted}
    assert max(event.meta.time for event in ends) < last.meta.time, "they have not waited for the slow one"
    opened = [await parley.told(turn, TextTurnOpened) for turn in turns]
    assert [event.meta.number for event in opened] == list(range(1, TURNS + 1))
    assert all(times(end) <= times(following) for end, following in zip(ends[:-1], opened[1:], strict=True))
    assert not violations(await parley.verdict())


def times(event: Event[Fact]) -> datetime:
    return event.meta.time


async def test_a_reply_that_stalls_is_cut_at_its_deadline_and_the_next_turn_is_answered(
    new_whole: "Callable[..., AbstractAsyncContextManager[Whole]]", bus_address: "BusAddress", tmp_path: Path
) -> None:
    async with new_whole(tmp_path, bus_address, turn_timeout_s=4.0) as parley:
        parley.engine.script = by_question({"foxes": Answer("Foxes are", gap_s=3_600.0)}, QUICK)
        await parley.start(*topology.PROCESSES)
        hanging, following = await parley.say(talker.STALL), await parley.say(talker.SHORT)

        cut, answered = await parley.ended(hanging, following)

        assert isinstance(cut.fact, TurnFailed)
        assert cut.fact.code == "deadline"
        assert cut.meta.deadline is not None
        assert cut.meta.time >= cut.meta.deadline
        assert isinstance(answered.fact, TurnCompleted)
        assert (await parley.told(following, TextTurnOpened)).meta.time >= cut.meta.time
        assert parley.engine.running == 0, "nothing is generated for a turn that is over"


async def test_an_engine_that_never_begins_costs_no_turn(
    new_whole: "Callable[..., AbstractAsyncContextManager[Whole]]", bus_address: "BusAddress", tmp_path: Path
) -> None:
    async with new_whole(tmp_path, bus_address, turn_timeout_s=5.0) as parley:
        parley.engine.script = by_question({"bears": Answer(first_delay_s=3_600.0)}, QUICK)
        await parley.start(*topology.PROCESSES)
        silent, following = await parley.say(talker.SILENT), await parley.say(talker.SHORT)

        ends = await parley.ended(silent, following)

        assert [type(event.fact) for event in ends] == [TurnCompleted, TurnCompleted], "rules answer in its place"


async def test_no_more_turns_wait_for_a_stopped_worker_than_it_has_slots(tmp_path: Path) -> None:
    plan = Plan(2, engine_module=talker.__name__)
    async with built(tmp_path, plan) as house, at_the_door(house) as front:
        outcomes = [await stop_one(house, front, stage, turns=16, rate_hz=2.0) for stage in ("tts", "chat")]

    for found in outcomes:
        assert 0 < found.again <= found.slots, f"{found.stage}: only what it had in hand is taken up by another"
        assert set(found.ends) == {TurnCompleted.__name__}
        assert (found.ended_not_once, found.unread) == (0, 0)
