"""A router that is killed with SIGKILL at the worst moments, and several routers on one file, in real processes."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock
from infra.state.sqlite import open_state
from schemas.event import Event
from schemas.intents import Intent, IntentClassified, When

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]
Starts = Callable[..., "subprocess.Popen[bytes]"]
ROOT = Path(__file__).parents[3]

PREAMBLE = """
import asyncio, pathlib, sys
from contextlib import asynccontextmanager
from infra.clock import SystemClock
from infra.state.sqlite import open_state
from schemas.catalogue import decode
from stages.router.due import announce_due
from stages.router.stage import ROUTER, RouterGiven

state_path, events = pathlib.Path(sys.argv[1]), [decode(line) for line in open(sys.argv[2], "rb").read().splitlines()]

def tell(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\\n")
    sys.stdout.buffer.flush()

async def for_ever():
    await asyncio.Event().wait()
"""
STOPS_BEFORE_COMMIT = """
class StopsBeforeCommit:
    def __init__(self, state): self.state = state
    @asynccontextmanager
    async def handling(self, event, step, stage):
        async with self.state.handling(event, step, stage) as unit:
            yield unit
            if step == "intent-1":
                tell(b"acted")
                await for_ever()

async def main():
    async with open_state(state_path, SystemClock()) as state:
        async for said in ROUTER.handle(events[0], RouterGiven(StopsBeforeCommit(state)), ()):
            tell(said.encoded())
asyncio.run(main())
"""
STOPS_BEFORE_PUBLISHING = """
async def main():
    async with open_state(state_path, SystemClock()) as state:
        async for said in ROUTER.handle(events[0], RouterGiven(state), ()):
            tell(said.encoded())
            if len(sys.argv) > 3 and said.fact.token == sys.argv[3]:
                await for_ever()
asyncio.run(main())
"""
HANDLES_ALL = """
async def main():
    tell(b"ready")
    sys.stdin.buffer.readline()
    async with open_state(state_path, SystemClock()) as state:
        for event in events:
            async for said in ROUTER.handle(event, RouterGiven(state), ()):
                tell(said.encoded())
asyncio.run(main())
"""
ANNOUNCES = """
from datetime import timedelta
async def main():
    tell(b"ready")
    sys.stdin.buffer.readline()
    async with open_state(state_path, SystemClock()) as state:
        for said in await announce_due(state, events[0].meta.time + timedelta(days=2)):
            tell(said.meta.id.encode())
asyncio.run(main())
"""


@pytest.fixture
def starts(path: Path, tmp_path: Path) -> Iterator[Starts]:
    """Starts a process that runs a program on the state's file; it is gone when the test ends."""
    running: list[subprocess.Popen[bytes]] = []

    def start(program: str, *events: Event[IntentClassified], stop_at: str = "") -> subprocess.Popen[bytes]:
        lines = tmp_path / "events.jsonl"
        lines.write_bytes(b"\n".join(event.encoded() for event in events))
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + program, path, lines, *([stop_at] if stop_at else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().rstrip(b"\n")


def _killed(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def _together(processes: "list[subprocess.Popen[bytes]]") -> list[list[bytes]]:
    """Let all of them go at once; the lines that each then says."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    return [process.communicate()[0].splitlines() for process in processes]


@pytest.fixture
def event(person: "Person", intent: Makes, at: At) -> Event[IntentClassified]:
    """A turn with three effects that would each show if they happened twice."""
    money = {"value": "50", "currency": "USD"}
    return person.event(
        intent("create_note", title="milk"),
        intent("create_ledger", "x", person="Tom", amount=money, direction="owes_me"),
        intent("add_expense", "x", amount=money),
    )


async def _assert_acted_once(person: "Person", intent: Makes) -> None:
    turn = await person.says(
        intent("list_notes"),
        intent("create_ledger", "what does tom owe"),
        intent("add_expense", "how much did i spend"),
    )
    assert [task.message for task in turn.tasks] == [
        "You have 1 note: 'milk'.",
        "Tom owes you $50.",
        "You've spent $50 this month.",
    ]


async def test_killed_between_an_effect_and_its_commit_the_redelivery_acts_once(
    person: "Person", intent: Makes, event: Event[IntentClassified], starts: Starts
) -> None:
    first = starts(STOPS_BEFORE_COMMIT, event)
    published = _line(first)
    assert _line(first) == b"acted"
    _killed(first)

    turn = await person.heard(event)

    assert turn.events[0].encoded() == published
    assert len(turn.events) == 4
    await _assert_acted_once(person, intent)


@pytest.mark.parametrize("last", ["TaskCompleted", "ReplyRequested"])
async def test_killed_between_commit_and_publishing_the_redelivery_says_the_same_bytes(
    person: "Person", intent: Makes, event: Event[IntentClassified], starts: Starts, last: str
) -> None:
    process = starts(STOPS_BEFORE_PUBLISHING, event, stop_at=last)
    said = [_line(process) for _ in range(1 if last == "TaskCompleted" else 4)]
    _killed(process)

    turn = await person.heard(event)

    assert [again.encoded() for again in turn.events][: len(said)] == said
    await _assert_acted_once(person, intent)


async def test_several_processes_open_a_new_file_and_handle_the_same_events_once(
    person: "Person", intent: Makes, path: Path, tmp_path: Path, starts: Starts
) -> None:
    events = [
        person.event(intent("add_friend", person=f"friend {n}"), intent("create_note", title=f"n{n}"))
        for n in range(15)
    ]
    fresh = tmp_path / "fresh.db"
    processes = [starts(HANDLES_ALL.replace("state_path", f"pathlib.Path({str(fresh)!r})"), *events) for _ in range(3)]
    for process in processes:
        assert _line(process) == b"ready"

    outputs = _together(processes)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(outputs[0]) == 15 * 3
    async with open_state(fresh, SetClock(person.clock.now())) as state, state.transaction() as tx:
        assert len(await tx.fetch("SELECT id FROM notes")) == 15
        assert b"already" not in b"".join(outputs[0])


async def test_two_processes_announce_each_reminder_once(
    person: "Person", intent: Makes, at: At, starts: Starts, event: Event[IntentClassified]
) -> None:
    for number in range(40):
        await person.says(intent("create_reminder", title=f"job {number}", when=at(21, 15, number)))
    processes = [starts(ANNOUNCES, event) for _ in range(2)]
    for process in processes:
        assert _line(process) == b"ready"

    outputs = _together(processes)

    ids = [line for lines in outputs for line in lines]
    assert len(ids) == len(set(ids)) == 40
