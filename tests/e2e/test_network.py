"""A network that is cut, stalled, slow or one-sided between workers and bus, while people talk."""

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from pipeline import topology
from schemas.chat import SentenceGenerated
from tests.e2e.harm import ACK_WAIT_S, hurried
from tests.e2e.link import Link, linked
from tests.e2e.whole import violations

if TYPE_CHECKING:
    from tests.e2e.whole import Whole

pytestmark = pytest.mark.slow
NOTE = "take a note that the {} key is under the pot"
MARKS = ("Zorbun", "Quilbax", "Drimsel", "Vantok", "Plorga", "Brizen", "Klumar", "Stovip")


async def talk(parley: "Whole", link: Link, *faults: str) -> None:
    """Turns in several conversations, spoken and typed, with a fault in the middle of each few."""
    hurry = iter(MARKS)
    for place, fault in enumerate(faults):
        await parley.say(NOTE.format(word := next(hurry)), word, to=place, spoken=True, speech=True)
        await parley.say("tell me something about dogs", to=place + 10)
        await harm(link, fault)
        await parley.say(NOTE.format(word := next(hurry)), word, to=place)
        await parley.ended()


async def harm(link: Link, fault: str) -> None:
    match fault:
        case "cut":
            link.cut()
            await asyncio.sleep(0.5)
            link.mend()
        case "cut in a message":
            link.cut_after(700)
        case "stall":
            link.stall()
            await asyncio.sleep(1.5)
            link.mend()
        case "stall for good":
            link.stall()
            await asyncio.sleep(1.5)
            link.mend(keeps_connections=False)
        case "answers lost":
            link.swallow_answers()
            await asyncio.sleep(1.5)
            link.mend(keeps_connections=False)
        case "slow":
            link.slow_down(0.05)


@pytest.mark.parametrize("fault", ["cut", "cut in a message", "stall", "stall for good", "answers lost", "slow"])
async def test_turns_survive_a_bad_network_between_everybody_and_the_bus(
    parley: "Whole", monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    hurried(monkeypatch)
    monkeypatch.setattr("infra.bus.publishing.PUBLISH_TIMEOUT_S", 1.0)
    async with linked(parley.address) as link:
        await parley.start(*topology.PROCESSES, address=link.address)
        await talk(parley, link, fault, fault)

        assert violations(await parley.verdict()) == set()


@pytest.mark.parametrize("fault", ["cut", "stall for good", "answers lost"])
async def test_a_worker_that_is_cut_off_alone_splices_and_repeats_nothing(
    parley: "Whole", monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    hurried(monkeypatch)
    monkeypatch.setattr("infra.bus.publishing.PUBLISH_TIMEOUT_S", 1.0)
    async with linked(parley.address) as link:
        await parley.start(topology.KEEPER, topology.LOGGER, *topology.STAGE_NAMES)
        await parley.start(topology.KEEPER, *topology.STAGE_NAMES, address=link.address)
        turns = [await parley.say("tell me something about dogs", to=to) for to in range(4)]
        await parley.told(turns[0], SentenceGenerated)
        await talk(parley, link, fault)

        assert violations(await parley.verdict()) == set()


async def test_a_connection_that_has_silently_gone_dead_is_given_up_and_made_anew(
    parley: "Whole", monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch)
    monkeypatch.setattr("infra.bus.publishing.PUBLISH_TIMEOUT_S", 1.0)
    monkeypatch.setattr("infra.bus.connection.PING_EVERY_S", 1)
    # The server gives messages to whoever has asked by the dead connection until those requests expire: here it waits
    # for an acknowledgement as long, in proportion to that, as it does in earnest.
    request = {"batch": 1, "expires": int(2 * ACK_WAIT_S * 1e9), "idle_heartbeat": int(0.5e9)}
    monkeypatch.setattr("infra.bus.consumers._REQUEST", json.dumps(request).encode())
    async with linked(parley.address) as link:
        await parley.start(*topology.PROCESSES, address=link.address)
        await talk(parley, link, "slow")
        link.mend()
        made = link.connections
        link.let_present_ones_die()
        turn = await parley.say(NOTE.format("Plorga"), "Plorga", to=5)
        await parley.ended(turn)

        assert link.connections >= made + len(topology.PROCESSES)
        assert violations(await parley.verdict()) == set()
