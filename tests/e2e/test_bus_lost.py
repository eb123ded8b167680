"""The bus is killed in mid-turn and comes back, with what it held or without: the workers carry on by themselves."""

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.engines.scripted import Answer
from pipeline import topology
from pipeline.logging_stage import ask_log
from schemas.chat import SentenceGenerated
from schemas.turns import TurnCompleted, TurnFailed
from scripts.bench.ordeal import evidence
from scripts.bench.ordeal.evidence import Evidence, Said
from scripts.bench.ordeal.verdict import judge
from tests.e2e.harm import hurried
from tests.e2e.whole import never_the_same, violations

if TYPE_CHECKING:
    from tests.conftest import OwnServer
    from tests.e2e.whole import Whole

    Until = Callable[..., Awaitable[Any]]
    NewWhole = Callable[..., AbstractAsyncContextManager[Whole]]

pytestmark = pytest.mark.slow
NOTE = "take a note that the {} key is under the pot"
TALK = "tell me something about dogs"


async def restarted(server: "OwnServer", *, empty: bool) -> None:
    await server.kill()
    if empty:
        shutil.rmtree(server.folder / "store" / "jetstream")
    await server.start()


async def test_with_its_data_every_turn_completes(
    own_server: "OwnServer", new_whole: "NewWhole", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch)
    async with new_whole(tmp_path, own_server.address) as parley:
        parley.engine.script = never_the_same(sentences=3, gap_s=0.03)
        await parley.start(*topology.PROCESSES)
        talk = await parley.say(TALK, speech=True)
        await parley.say(NOTE.format("Zorbun"), "Zorbun", spoken=True, speech=True, to=1)
        await parley.told(talk, SentenceGenerated)
        await restarted(own_server, empty=False)
        await parley.say(NOTE.format("Quilbax"), "Quilbax")

        assert violations(await parley.verdict()) == set()


async def test_without_its_data_what_was_accepted_ends_and_new_turns_work(
    own_server: "OwnServer", new_whole: "NewWhole", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: "Until"
) -> None:
    hurried(monkeypatch)
    async with new_whole(tmp_path, own_server.address, turn_timeout_s=4.0) as parley:
        await parley.start(*topology.PROCESSES)
        before = await parley.say(NOTE.format("Vantok"), "Vantok", to=1)
        await parley.ended()
        parley.engine.script = lambda _: Answer("One is here. Two is late. Three is last.", gap_s=0.3)
        open_, waiting = await parley.say(TALK, speech=True), await parley.say(NOTE.format("Zorbun"), "Zorbun")
        await parley.told(open_, SentenceGenerated)
        old = Evidence()
        await evidence.of_stream(parley.bus, old)
        await until(lambda: is_logged(parley, len(old.stream)))
        parley.engine.script = never_the_same()
        await restarted(own_server, empty=True)

        new = await parley.say(NOTE.format("Quilbax"), "Quilbax", to=2)
        ends = [event.fact for event in await parley.ended(open_, waiting, new)]
        left = await parley.left()

    assert [type(end) for end in ends] == [TurnFailed, TurnCompleted, TurnCompleted]
    assert before.meta.turn not in {said.event.meta.turn for said in left.stream}, "the bus has forgotten it"
    left.stream = [*old.stream, *(Said(said.seq + len(old.stream), said.event) for said in left.stream)]
    assert violations(judge(parley.accepted, left)) == {"not completed"}


async def is_logged(parley: "Whole", count: int) -> bool:
    """Whether the log has so many events, or more by now."""
    question = "SELECT count(*) >= $wanted FROM events"
    return (await ask_log(parley.bus, question, {"wanted": count})).rows == ((True,),)
