"""The write lock goes round: whoever waits has it next, and somebody who is stopped in the turnstile stops nobody."""

import asyncio
from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.state import turnstile
from infra.state.port import State
from infra.state.sqlite import open_state
from infra.state.turnstile import Turnstile

HELD_S = 0.005  # by each transaction: several looks of whoever waits


async def test_one_who_waits_has_the_lock_before_one_who_has_just_had_it(
    state: State, path: Path, clock: SetClock
) -> None:
    had_by: list[str] = []
    begun = asyncio.Event()

    async def write(by: str, opened: State) -> None:
        async with opened.transaction():
            had_by.append(by)
            begun.set()
            await asyncio.sleep(HELD_S)

    async with open_state(path, clock) as another:
        busy = [asyncio.create_task(write("busy", state)) for _ in range(40)]
        await begun.wait()

        await write("waiting", another)

        await asyncio.gather(*busy)

    # One that had begun, and one that was in the turnstile already.
    assert had_by.index("waiting") <= 2


async def test_one_who_never_leaves_the_turnstile_is_passed(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "COURTESY_S", 0.05)
    stopped = Turnstile(path.with_name(f"{path.name}.next"))

    async with stopped.passing(), state.transaction() as tx:
        assert await tx.fetch("SELECT 1 AS one")

    stopped.close()


async def test_the_turnstile_is_free_after_a_transaction_that_failed(state: State, path: Path) -> None:
    with pytest.raises(ValueError, match="the task's own"):
        async with state.transaction():
            raise ValueError("the task's own")

    another = Turnstile(path.with_name(f"{path.name}.next"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with another.passing():
        assert loop.time() - began < turnstile.COURTESY_S
    another.close()
