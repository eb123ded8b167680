"""What is done to keepers and intake so that one mechanism is needed: puts a fault, lets people talk, and judges.

With the mechanism in place nothing is broken; tests/e2e/test_promises.py takes it out and looks at what then is.
Each takes a whole without members and the test's monkeypatch, and returns what was broken.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Delivery
from infra.bus.streams import Durable, declare_durable, tokens_of
from infra.clock import new_id
from pipeline import topology, wiring
from pipeline.keeping import Keeping
from pipeline.worker import Worker
from schemas import subjects
from schemas.catalogue import decode
from schemas.errors import InvalidField
from schemas.event import Event
from schemas.turns import StageFailed, TextTurnOpened, TurnCompleted
from scripts.bench.ordeal.script import Line
from tests.e2e.harm import FORGOTTEN_S, Handler, Put, failing, forgetful, instead, nothing, says
from tests.e2e.whole import NOT_COMPLETED, Whole, violations

NOTE = "take a note that the {} key is under the pot"
TALK = "tell me something about dogs"
SOON_S = 10.0


DEAD_WORKER_TRIES = 2


async def what_was_published_was_not_noted(parley: Whole, put: Put) -> set[str]:
    """As when a keeper is killed after it has published the turn's end."""
    await forgetful(parley)

    async def forgets(keeping: Keeping) -> None:
        keeping._published = []

    with put.context() as killed:
        killed.setattr(Keeping, "_settle", forgets)
        killed.setattr(Keeping, "_relay", nothing)
        await parley.start(*topology.PROCESSES)
        await parley.say(TALK)
        await parley.ended()
        await asyncio.sleep(FORGOTTEN_S)
        await parley.end(*[member for member in parley.members if member.name == topology.KEEPER])
    await parley.start(topology.KEEPER)
    await asyncio.sleep(FORGOTTEN_S)
    return violations(await parley.verdict())


async def the_keeper_dies_before_it_has_published_an_end(parley: Whole, put: Put) -> set[str]:
    failing(put, Bus, "say", when=says(TurnCompleted), error=RuntimeError("killed"))
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    return violations(await parley.verdict())


async def a_keeper_dies_between_two_turns(parley: Whole, put: Put) -> set[str]:
    """It has written that one turn has ended and the next is open; the next is interrupted before that is published."""
    failing(put, Bus, "say", when=says(TurnCompleted), error=RuntimeError("killed"))
    put.setattr("pipeline.keeping.STALE_AFTER", timedelta(seconds=1.5))
    stuck = asyncio.Event()

    def made(handle: Handler) -> Handler:
        async def handled(event: Event[Any], given: Any, earlier: Any) -> AsyncIterator[Any]:
            if "wait" in event.fact.text:
                await stuck.wait()
            async for fact in handle(event, given, earlier):
                yield fact

        return handled

    instead(put, "intent", made)
    await parley.start(*topology.PROCESSES)
    await parley.say("wait for the first")
    second = await parley.say(TALK)
    stuck.set()
    await until_open(parley, second.meta.turn)
    await parley.say(TALK, interrupts=True)
    return violations(await parley.verdict()) - {NOT_COMPLETED}  # the second was interrupted


async def the_first_of_two_submissions_fails_at_first(parley: Whole, put: Put) -> set[str]:
    held = await parley.say(NOTE.format("Zorbun"), "Zorbun")
    await parley.say(NOTE.format("Quilbax"), "Quilbax")
    failing(put, Keeping, "_event", when=lambda delivery: held.meta.turn in delivery.subject, error=OSError("disk"))
    await parley.start(*topology.PROCESSES)
    return violations(await parley.verdict())


async def two_turns_at_once(parley: Whole, put: Put) -> set[str]:
    await parley.start(*topology.PROCESSES)
    await parley.say(NOTE.format("Zorbun"), "Zorbun")
    await parley.say(NOTE.format("Quilbax"), "Quilbax")
    return violations(await parley.verdict())


async def a_stage_never_answers(parley: Whole, put: Put) -> set[str]:
    parley.settings = parley.settings.model_copy(
        update={"turn": parley.settings.turn.model_copy(update={"timeout_s": 1.0})}
    )

    def made(handle: Handler) -> Handler:
        async def handled(event: Event[Any], given: Any, earlier: Any) -> AsyncIterator[Any]:
            if event.meta.number == 1:
                await asyncio.Event().wait()
            async for fact in handle(event, given, earlier):
                yield fact

        return handled

    instead(put, "router", made)
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    await parley.say(TALK)
    return violations(await parley.verdict()) - {NOT_COMPLETED}  # the first one failed, as it had to


async def a_message_kills_its_workers(parley: Whole, put: Put) -> set[str]:
    put.setattr("pipeline.worker.Durable", partial(Durable, max_deliver=DEAD_WORKER_TRIES))
    handle = Worker.handle

    async def dies(worker: Worker[Any], delivery: Delivery) -> None:
        event = decode(delivery.payload, delivery.headers.get(TYPE))
        if worker.stage.name == "intent" and "deadly" in getattr(event.fact, "text", ""):
            return  # neither acknowledged nor given back
        await handle(worker, delivery)

    put.setattr(Worker, "handle", dies)
    await parley.start(*topology.PROCESSES)
    await parley.say("something deadly")
    await parley.say(TALK, to=1)
    return violations(await parley.verdict()) - {NOT_COMPLETED}


async def the_keeper_cannot_be_told_of_a_failure_at_first(parley: Whole, put: Put) -> set[str]:
    def made(handle: Handler) -> Handler:
        async def handled(event: Event[Any], given: Any, earlier: Any) -> AsyncIterator[Any]:
            raise InvalidField("text", event.fact.text, "something else")
            yield

        return handled

    instead(put, "intent", made)
    failing(put, Bus, "say", when=says(StageFailed))
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    return violations(await parley.verdict()) - {NOT_COMPLETED}


async def a_stage_is_away(parley: Whole, put: Put) -> set[str]:
    """Somebody submits turns until it is refused, for a while."""
    put.setattr("pipeline.intake_gate.STAGE_BEHIND_MAX", 4)
    put.setattr("pipeline.intake_gate.LOOK_EVERY_S", 0.05)
    put.setattr("scripts.bench.ordeal.visitors.GIVE_UP_S", 0.2)
    await parley.start(*(name for name in topology.PROCESSES if name != "intent"))
    await declare_durable(parley.bus.js, Durable("intent", subjects.EVENT_STREAM, tokens_of((TextTurnOpened,))))
    for place in range(30):
        if await parley.visitors.submit(Line(place, place, TALK, (), False, False, False), new_id()) is None:
            break
        await asyncio.sleep(0.05)  # the gate looks as often
    else:
        return {"never told busy"}
    refused = parley.visitors.refused
    await parley.start("intent")
    return violations(await parley.verdict()) | (set() if refused else {"never told busy"})


async def until_open(parley: Whole, turn: str) -> None:
    """The keeper's books have it open (whatever was published)."""
    async with asyncio.timeout(SOON_S):
        while True:
            with sqlite3.connect(wiring.state_path(parley.settings)) as state:
                if state.execute("SELECT 1 FROM turns WHERE turn = ? AND status = 'open'", (turn,)).fetchone():
                    return
            await asyncio.sleep(0.02)
