"""Damage of an open state is found by looking, before anybody reads what was damaged."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import SystemClock
from infra.state.errors import StateCorrupt
from infra.state.port import State
from infra.state.sqlite import open_in_memory, open_state
from pipeline.state_watch import watched

if TYPE_CHECKING:
    Until = Callable[..., Awaitable[Any]]

HARM: dict[str, Callable[[Path], object]] = {
    "overwritten": lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
    "removed": lambda path: path.unlink(),
    "replaced": lambda path: path.rename(path.with_name("moved")) and path.write_bytes(b""),
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.state_watch.LOOK_EVERY_S", 0.01)


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
async def test_a_file_that_is_harmed_while_it_is_open_is_told_once(
    state_file: Path, harm: Callable[[Path], object], until: "Until"
) -> None:
    async with open_state(state_file, SystemClock()):
        pass  # all of it lies in the file itself
    found: list[StateCorrupt] = []
    async with open_state(state_file, SystemClock()) as state, watched(state, found.append):
        harm(state_file)
        await until(lambda: found)

    assert len(found) == 1
    assert str(found[0]).startswith(f"{state_file}: the file ")
    assert str(found[0]).endswith("move those files away to begin anew")


async def test_a_whole_one_is_looked_at_again_and_again_while_it_is_written(
    state_file: Path, until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[StateCorrupt] = []
    async with open_state(state_file, SystemClock()) as state:
        looks = counted(state, monkeypatch)
        async with watched(state, found.append):
            for number in range(50):
                async with state.transaction() as tx:
                    await tx.execute(f"CREATE TABLE t{number} (id INTEGER)")
                await asyncio.sleep(0)
            await until(lambda: len(looks) >= 5)

    assert found == []


async def test_a_look_that_fails_is_not_the_last_one(
    state_file: Path, until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[StateCorrupt] = []
    async with open_state(state_file, SystemClock()) as state:
        check, looks = state.check, 0

        async def look(within_s: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise OSError("stale file handle")
            await check(within_s)

        monkeypatch.setattr(state, "check", look)
        async with watched(state, found.append):
            await until(lambda: looks >= 2)
            await asyncio.to_thread(state_file.unlink)
            await until(lambda: found)

    assert len(found) == 1


async def test_a_state_in_memory_cannot_be_harmed() -> None:
    async with open_in_memory(SystemClock()) as state:
        await state.check(1.0)


def counted(state: State, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    looks: list[float] = []
    check = state.check

    async def look(within_s: float) -> None:
        looks.append(within_s)
        await check(within_s)

    monkeypatch.setattr(state, "check", look)
    return looks
