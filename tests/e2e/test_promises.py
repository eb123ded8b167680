"""Each promise of shared/DESIGN.md 5 rests on mechanisms: with one in place nothing is broken, without it something is.

A mechanism whose absence nobody would notice is not tested, or is not needed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery
from infra.event_log.appending import Appending
from infra.state import inbox, turns
from pipeline import dead_letters, keeping
from pipeline.books import Words
from pipeline.ended_turns import EndedTurns
from pipeline.intake_gate import IntakeGate
from pipeline.keeper import Keeper
from pipeline.keeping import Keeping
from pipeline.worker import Earlier, Worker
from schemas.event import Event, Fact, Meta
from schemas.turns import TurnEnd
from tests.e2e import keeper_scenarios, stage_scenarios
from tests.e2e.harm import Put, hurried, nothing

if TYPE_CHECKING:
    from tests.e2e.whole import Whole

pytestmark = pytest.mark.slow
MISSED_AFTER_S = 2.5  # what has not come by then is missing: faults are over within a second


@dataclass(frozen=True)
class Row:
    """One mechanism."""

    promise: int  # by its number in shared/DESIGN.md, 5
    mechanism: str
    scenario: Callable[["Whole", Put], Awaitable[set[str]]]
    take_out: Callable[[Put], None]
    breaks: str


def fence(put: Put) -> None:
    say = Bus.say
    put.setattr(Bus, "say", lambda bus, event, hop, expect_last=None: say(bus, event, hop))


def reading_back(put: Put) -> None:
    async def knows_nothing(worker: Worker[Any], meta: Meta) -> Earlier:
        return Earlier()

    put.setattr(Worker, "_said_before", knows_nothing)


def once(put: Put) -> None:
    """The bus takes a second one, and the keeper does not look for it, as it does for what may stand twice."""
    put.setattr(TurnEnd, "once", False)
    looking_up(put)


def looking_up(put: Put) -> None:
    async def unknown(*_: object) -> bool:
        return False

    put.setattr(Keeping, "_was_published", unknown)


def inbox_note(put: Put) -> None:
    handling = inbox.handling

    @asynccontextmanager
    async def unnoted(*given: Any) -> AsyncIterator[Any]:
        async with handling(*given) as unit:
            yield unit
            unit.marked = False  # type: ignore[attr-defined]  # of the class behind the port

    put.setattr(inbox, "handling", unnoted)


def turn_over(put: Put) -> None:
    put.setattr(turns, "is_over", no)


def outbox(put: Put) -> None:
    put.setattr(Keeping, "_relay", nothing)
    put.setattr(Keeping, "_with_earlier", only_the_new)


def relay(put: Put) -> None:
    put.setattr(Keeping, "_relay", nothing)


def earlier_first(put: Put) -> None:
    put.setattr(Keeping, "_with_earlier", only_the_new)


def intake_in_order(put: Put) -> None:
    put.setattr(keeping, "INTAKE", replace(keeping.INTAKE, in_order=False))


def one_open_turn(put: Put) -> None:
    put.setattr(turns, "opened", no)
    handle = Keeper.handle

    async def unguarded(keeper: Keeper, event: Event[Any]) -> Words:
        async with keeper._state.transaction() as tx:  # the table has a guard of its own
            await tx.execute("DROP INDEX IF EXISTS one_turn_open")
        return await handle(keeper, event)

    put.setattr(Keeper, "handle", unguarded)


def ack_after_publish(put: Put) -> None:
    handle = Worker.handle

    async def acknowledged_first(worker: Worker[Any], delivery: Delivery) -> None:
        await delivery.ack()
        await handle(worker, delivery)

    put.setattr(Worker, "handle", acknowledged_first)


def heartbeat(put: Put) -> None:
    put.setattr(Delivery, "still_working", nothing)


def deadline(put: Put) -> None:
    put.setattr(Keeper, "sweep", nothing_said)


def advisories(put: Put) -> None:
    put.setattr(Keeping, "_ran_out", nothing)


def cancelling(put: Put) -> None:
    put.setattr(EndedTurns, "end", lambda ended, turn: None)


def log_of_redelivered(put: Put) -> None:
    put.setattr(Appending, "_drop_redelivered", lambda *_: 0)
    put.setattr(Appending, "_drop_copies", lambda *_: 0)


def log_of_copies(put: Put) -> None:
    put.setattr(Appending, "_drop_copies", lambda *_: 0)


def order_of_giving_up(put: Put) -> None:
    give_up = dead_letters.give_up

    async def forgotten_first(bus: Any, clock: Any, delivery: Delivery, *rest: Any) -> None:
        await delivery.never_again()
        await give_up(bus, clock, delivery, *rest)

    put.setattr(dead_letters, "give_up", forgotten_first)


def gate(put: Put) -> None:
    put.setattr(IntakeGate, "look", nothing)


async def no(*_: Any) -> None:
    return None


async def nothing_said(_: Any) -> list[Any]:
    return []


def only_the_new(_: Any, words: Words) -> list[Event[Fact]]:
    return words.said


ROWS = (
    Row(1, "fence of sentences", stage_scenarios.a_worker_falls_silent_in_mid_reply, fence, "replies spliced"),
    Row(1, "reading back", stage_scenarios.chat_fails_in_mid_reply, reading_back, "not completed"),
    Row(1, "one end a turn", keeper_scenarios.what_was_published_was_not_noted, once, "ended twice"),
    Row(1, "inbox", stage_scenarios.the_router_fails_after_it_has_acted, inbox_note, "told and done differ"),
    Row(2, "look-up of the turn", stage_scenarios.the_router_wakes_up_after_its_turn, turn_over, "out of order"),
    Row(1, "outbox", keeper_scenarios.the_keeper_dies_before_it_has_published_an_end, outbox, "lost"),
    Row(1, "relay", keeper_scenarios.the_keeper_dies_before_it_has_published_an_end, relay, "lost"),
    Row(2, "order of the outbox", keeper_scenarios.a_keeper_dies_between_two_turns, earlier_first, "out of order"),
    Row(
        2,
        "intake in order",
        keeper_scenarios.the_first_of_two_submissions_fails_at_first,
        intake_in_order,
        "out of order",
    ),
    Row(2, "one open turn", keeper_scenarios.two_turns_at_once, one_open_turn, "out of order"),
    Row(1, "acknowledged last", stage_scenarios.a_worker_is_killed_before_it_has_published, ack_after_publish, "lost"),
    Row(1, "heartbeat", stage_scenarios.a_stage_takes_long, heartbeat, "worked on twice"),
    Row(3, "deadline", keeper_scenarios.a_stage_never_answers, deadline, "lost"),
    Row(3, "advisories", keeper_scenarios.a_message_kills_its_workers, advisories, "lost"),
    Row(4, "cancelling", stage_scenarios.a_turn_is_interrupted_in_mid_reply, cancelling, "said after its end"),
    Row(
        1, "places in the log", stage_scenarios.the_logs_acknowledgement_is_lost, log_of_redelivered, "log rows double"
    ),
    Row(1, "ids in the log", stage_scenarios.an_event_comes_again_in_the_stream, log_of_copies, "log rows double"),
    Row(1, "giving up", keeper_scenarios.the_keeper_cannot_be_told_of_a_failure_at_first, order_of_giving_up, "lost"),
    Row(3, "intake gate", keeper_scenarios.a_stage_is_away, gate, "never told busy"),
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: Put) -> None:
    hurried(monkeypatch)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mechanism)
async def test_nothing_is_broken(row: Row, parley: "Whole", monkeypatch: Put) -> None:
    assert await row.scenario(parley, monkeypatch) == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mechanism)
async def test_without_its_mechanism_a_promise_is_broken(row: Row, parley: "Whole", monkeypatch: Put) -> None:
    parley.patience_s = MISSED_AFTER_S
    row.take_out(monkeypatch)

    assert row.breaks in await row.scenario(parley, monkeypatch)


def test_each_promise_that_a_fault_can_break_has_a_mechanism() -> None:
    assert {row.promise for row in ROWS} == {1, 2, 3, 4}
