"""All of Parley in one event loop, on a real bus with a real state file and a real log, so that faults can be put in.

Every member is `pipeline.process.run`, as it is in a process of its own; recogniser, voice and engine are scripted. A
member that ends by itself is started again, as the supervisor does. What is left is judged by the judge of
scripts/bench/chaos.
"""

import asyncio
import contextlib
import io
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from infra.blobs.files import FileBlobs
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.bus.server import BusAddress
from infra.clock import SystemClock, new_id
from infra.engines.port import Ask
from infra.engines.scripted import Answer, ScriptedEngine
from infra.engines.scripted_server import Manners, served
from infra.recognisers.scripted import recording_of
from infra.settings import (
    BusSettings,
    ChatSettings,
    EngineSettings,
    Settings,
    SttSettings,
    TtsSettings,
    TurnSettings,
)
from pipeline import process, wiring
from pipeline.presence import who_is_there
from schemas.event import Event, Fact
from schemas.turns import TurnEnd
from scripts.bench.ordeal import evidence
from scripts.bench.ordeal.evidence import Evidence
from scripts.bench.ordeal.script import Line
from scripts.bench.ordeal.verdict import Verdict, judge
from scripts.bench.ordeal.visitors import Accepted, Visitors

RESTART_S = 0.1
PRESENCE_WAIT_S = 0.05
LOOK_EVERY_S = 0.02
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
LEAVES_WITHIN_S = 90.0  # a member that was asked to end
NOT_COMPLETED = "not completed"  # beside the judge's names: some turn ended otherwise than by its reply
COPIES = "said again"  # an event stands twice in the stream, beyond the window for duplicates


def never_the_same(sentences: int = 3, gap_s: float = 0.002) -> Callable[[Ask], Answer]:
    """Another reply each time, also to the same question: one that is spliced from two shows."""
    rng, numbers = random.Random(), itertools.count()

    def answer(ask: Ask) -> Answer:
        told = [f"Story {next(numbers)} has a {rng.choice(('fox', 'owl', 'bear'))} in it." for _ in range(sentences)]
        return Answer(" ".join(told), gap_s=gap_s)

    return answer


@dataclass(slots=True)
class Member:
    """One worker of the whole."""

    name: str
    address: BusAddress
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    ended_with: list[Exception] = field(default_factory=list)  # each time that it ended by itself


@dataclass
class Whole:
    """The members, somebody who talks to them, and what is to be known of them. Made by `whole`."""

    settings: Settings
    address: BusAddress
    engine: ScriptedEngine
    bus: Bus  # the front-end's, and the test's
    visitors: Visitors
    members: list[Member] = field(default_factory=list)
    conversations: dict[int, str] = field(default_factory=dict)
    patience_s: float = ENDS_WITHIN_S  # for turns to end, and for messages to be acknowledged after that

    # Members

    async def start(self, *names: str, address: BusAddress | None = None) -> list[Member]:
        """Start workers, by way of `address`; returns once they are ready."""
        started = [Member(name, address or self.address) for name in names]
        self.members += started
        for member in started:
            member.task = asyncio.create_task(self._run(member), name=member.name)
        wanted = Counter(member.name for member in self.members)
        async with asyncio.timeout(READY_WITHIN_S):
            while Counter(p.name for p in await who_is_there(self.bus, PRESENCE_WAIT_S) if p.ready) < wanted:
                pass
        return started

    async def _run(self, member: Member) -> None:
        while True:
            try:
                await process.run(member.name, self.settings, member.address, member.stop)
            except Exception as error:  # noqa: BLE001  # the supervisor starts it again, whatever it was
                member.ended_with.append(error)
            if member.stop.is_set():
                return
            await asyncio.sleep(RESTART_S)

    async def end(self, *members: Member) -> None:
        """Ask workers to end, and wait until they have."""
        for member in members:
            member.stop.set()
        tasks = {member.task for member in members if member.task is not None}
        _, hanging = await asyncio.wait(tasks, timeout=LEAVES_WITHIN_S) if tasks else (tasks, set())
        assert not hanging, "\n".join(["these did not end:", *(_where(task) for task in asyncio.all_tasks())])
        await asyncio.gather(*tasks)
        self.members = [member for member in self.members if member not in members]

    # Talking

    async def say(
        self, text: str, *marks: str, to: int = 0, speech: bool = False, spoken: bool = False, interrupts: bool = False
    ) -> Accepted:
        """Submit a turn in the `to`-th conversation; `marks` are words that its act must leave in the state."""
        line = Line(len(self.accepted), to, text, marks, spoken=spoken, speech=speech, interrupts=interrupts)
        taken = await self.visitors.submit(line, self.conversations.setdefault(to, new_id()))
        assert taken is not None, f"{text} was never accepted"
        return taken

    @property
    def accepted(self) -> list[Accepted]:
        return self.visitors.accepted

    async def told(self, turn: Accepted, kind: type[Fact], within_s: float = ENDS_WITHIN_S) -> Event[Fact]:
        """The first event of a kind in a turn, waited for."""
        async with asyncio.timeout(within_s):
            while True:
                for event in await self.events(turn):
                    if isinstance(event.fact, kind):
                        return event
                await asyncio.sleep(LOOK_EVERY_S)

    async def events(self, turn: Accepted) -> list[Event[Fact]]:
        """A turn's events, oldest first."""
        meta = turn.meta
        with contextlib.suppress(BusUnavailable):
            found = await self.bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id)
            return [event for _, event in found]
        return []

    async def ended(self, *turns: Accepted, within_s: float = ENDS_WITHIN_S) -> list[Event[Fact]]:
        """How turns ended (all of them, when none is named). Raises TimeoutError."""
        return [await self.told(turn, TurnEnd, within_s) for turn in turns or self.accepted]

    # What is left

    async def left(self) -> Evidence:
        """Wait until all has ended and is acknowledged, end everybody, and gather what is left."""
        found = Evidence()
        await evidence.all_ended(self.bus, [turn.meta.turn for turn in self.accepted], self.patience_s)
        found.unread = await evidence.quiet(self.bus, self.patience_s)
        await evidence.of_stream(self.bus, found)
        await self.end(*self.members)
        await evidence.of_disk(self.settings, found)
        return found

    async def verdict(self) -> Verdict:
        """What became of all that was accepted."""
        return judge(self.accepted, await self.left())


def _where(task: "asyncio.Task[object]") -> str:
    """A task's name, and the lines at which it waits."""
    told = io.StringIO()
    task.print_stack(file=told)
    return f"{task.get_name()}: {told.getvalue()}"


def violations(verdict: Verdict) -> set[str]:
    """What was broken, by the judge's names; and whether some turn did not complete, or copies were left."""
    found = {name for name, cases in verdict.broken.items() if cases}
    if verdict.ends["completed"] < verdict.accepted:
        found.add(NOT_COMPLETED)
    if verdict.copies:
        found.add(COPIES)
    return found


@asynccontextmanager
async def whole(folder: Path, address: BusAddress, *, turn_timeout_s: float = 30.0) -> AsyncIterator[Whole]:
    """A whole without members, and what they need; whoever is still there at the end is ended."""
    engine, clock = ScriptedEngine(never_the_same()), SystemClock()
    async with served(engine, Manners()) as engine_url, Bus(address, name="front-end") as bus:
        settings = _settings(folder, address, engine_url, turn_timeout_s)

        async def written(text: str) -> bytes:
            return recording_of(text)

        visitors = Visitors(bus, FileBlobs(folder / wiring.BLOB_FOLDER), clock, written)
        made = Whole(settings, address, engine, bus, visitors)
        try:
            yield made
        finally:
            await made.end(*made.members)


def _settings(folder: Path, address: BusAddress, engine_url: str, turn_timeout_s: float) -> Settings:
    return Settings(
        data_dir=folder,
        time_zone="UTC",
        bus=BusSettings(url=address.url, token=SecretStr(address.token or "")),
        engine=EngineSettings(backend="openai", base_url=engine_url, model="scripted"),
        stt=SttSettings(backend="scripted"),
        tts=TtsSettings(backend="scripted"),
        chat=ChatSettings(max_sentences=4),
        turn=TurnSettings(timeout_s=turn_timeout_s),
    )
