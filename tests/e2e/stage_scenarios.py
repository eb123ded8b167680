"""What is done to stages and log so that one mechanism is needed: puts a fault, lets people talk, and judges.

With the mechanism in place nothing is broken; tests/e2e/test_promises.py takes it out and looks at what then is.
Each takes a whole without members and the test's monkeypatch, and returns what was broken.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery
from infra.event_log.log import EventLog
from infra.state import inbox
from pipeline import topology
from pipeline.worker import Worker
from schemas.chat import ReplyRequested, SentenceGenerated
from schemas.event import Event
from schemas.tasks import TaskCompleted
from schemas.turns import TurnEnd
from tests.e2e.harm import FORGOTTEN_S, Handler, Put, failing, forgetful, instead, paused, says, silent
from tests.e2e.whole import COPIES, NOT_COMPLETED, Whole, never_the_same, violations

NOTE = "take a note that the {} key is under the pot"
TALK = "tell me something about dogs"
SOON_S = 10.0


async def a_worker_falls_silent_in_mid_reply(parley: Whole, put: Put) -> set[str]:
    """It says nothing after its first sentence, another takes over, and then the first goes on."""
    await forgetful(parley)
    silent(put)
    parley.engine.script = never_the_same(sentences=4)
    overtaken, workers = asyncio.Event(), itertools.count()

    def made(handle: Handler) -> Handler:
        async def handled(event: Any, given: Any, earlier: Any) -> AsyncIterator[Any]:
            first = next(workers) == 0
            async for fact in handle(event, given, earlier):
                if first and isinstance(fact, SentenceGenerated) and fact.index == 1:
                    await paused(overtaken)
                yield fact
                if not first and isinstance(fact, SentenceGenerated) and fact.index == 2:
                    await asyncio.sleep(FORGOTTEN_S)  # the bus has let go of the ids of the sentences before
                    overtaken.set()
                    await asyncio.sleep(FORGOTTEN_S)  # what the first one says now comes before the turn's end

        return handled

    instead(put, "chat", made)
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    return violations(await parley.verdict())


async def chat_fails_in_mid_reply(parley: Whole, put: Put) -> set[str]:
    await forgetful(parley)
    failing(put, Bus, "say", when=says(SentenceGenerated), done=True)
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK, speech=True)
    return violations(await parley.verdict())


async def the_router_fails_after_it_has_acted(parley: Whole, put: Put) -> set[str]:
    await forgetful(parley)
    failing(put, Bus, "say", when=says(TaskCompleted))
    await parley.start(*topology.PROCESSES)
    await parley.say("Zorbun owes me 20 dollars for lunch", "Zorbun")
    return violations(await parley.verdict())


async def the_router_wakes_up_after_its_turn(parley: Whole, put: Put) -> set[str]:
    """Its turn was interrupted meanwhile, and the newer one has acted."""
    awake, reached, times = asyncio.Event(), asyncio.Event(), itertools.count()
    handling = inbox.handling

    def held_up(*given: Any) -> Any:
        first = next(times) == 0

        async def waited() -> AsyncIterator[Any]:
            if first:
                reached.set()
                await paused(awake)
            async with handling(*given) as unit:
                yield unit

        return asynccontextmanager(waited)()

    put.setattr(inbox, "handling", held_up)
    await parley.start(*topology.PROCESSES, "router")
    first = await parley.say(NOTE.format("Zorbun"), "Zorbun")
    await reached.wait()
    second = await parley.say(NOTE.format("Quilbax"), "Quilbax", interrupts=True)
    await parley.ended(first, second)
    awake.set()
    return violations(await parley.verdict()) - {NOT_COMPLETED}  # the first was interrupted, as was wanted


async def a_worker_is_killed_before_it_has_published(parley: Whole, put: Put) -> set[str]:
    """The first message that the intent stage takes is never heard of again."""
    handle, times = Worker._handle, itertools.count()

    async def killed(worker: Worker[Any], delivery: Delivery, *rest: Any) -> None:
        if worker.stage.name != "intent" or next(times) > 0:
            await handle(worker, delivery, *rest)

    put.setattr(Worker, "_handle", killed)
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    return violations(await parley.verdict())


async def a_stage_takes_long(parley: Whole, put: Put) -> set[str]:
    """Twice as long as the bus waits for a silent worker, and there is an idle one."""
    begun: list[str] = []

    def made(handle: Handler) -> Handler:
        async def handled(event: Event[Any], given: Any, earlier: Any) -> AsyncIterator[Any]:
            begun.append(event.meta.id)
            await asyncio.sleep(1.6)  # its work
            async for fact in handle(event, given, earlier):
                yield fact

        return handled

    instead(put, "intent", made)
    await parley.start(*topology.PROCESSES, "intent")
    await parley.say(TALK)
    try:
        await parley.told(parley.accepted[0], ReplyRequested, SOON_S)
        return {"worked on twice"} if len(begun) > len(set(begun)) else set()
    finally:
        await parley.end(*parley.members)


async def a_turn_is_interrupted_in_mid_reply(parley: Whole, put: Put) -> set[str]:
    parley.engine.script = never_the_same(sentences=4, gap_s=0.02)
    await parley.start(*topology.PROCESSES)
    first = await parley.say(TALK)
    await parley.told(first, SentenceGenerated)
    second = await parley.say(TALK, interrupts=True)
    await parley.ended(first, second)
    kinds = [type(event.fact) for event in await parley.events(first)]
    [end] = [place for place, kind in enumerate(kinds) if issubclass(kind, TurnEnd)]
    late = {"said after its end"} if SentenceGenerated in kinds[end + 2 :] else set()
    return (violations(await parley.verdict()) | late) - {NOT_COMPLETED}


async def the_logs_acknowledgement_is_lost(parley: Whole, put: Put) -> set[str]:
    """As when the logger is killed after it has written a batch: the batch comes again."""
    failing(put, EventLog, "append", when=lambda batch: len(batch.rows) > 1, error=RuntimeError("killed"), done=True)
    await parley.start(*topology.PROCESSES)
    await parley.say(TALK)
    return violations(await parley.verdict())


async def an_event_comes_again_in_the_stream(parley: Whole, put: Put) -> set[str]:
    """Beyond the window for duplicates, under another place."""
    await forgetful(parley)
    await parley.start(*topology.PROCESSES)
    turn = await parley.say(TALK)
    await parley.ended()
    again = await parley.told(turn, SentenceGenerated)
    await asyncio.sleep(FORGOTTEN_S)
    await parley.bus.put(again.subject, again.encoded(), {"Nats-Msg-Id": again.meta.id})
    return violations(await parley.verdict()) - {COPIES, "replies spliced"}  # which is what a careless client did here
