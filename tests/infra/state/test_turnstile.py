"""The write lock goes round: whoever waits has it next, and somebody who is stopped in the turnstile stops nobody."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.state import turnstile
from infra.state.port import State
from infra.state.sqlite import open_state
from infra.state.turnstile import LOOK_EVERY_S, Turnstile

ROUNDS = 10  # in one alone, whoever is lucky comes first too


async def test_the_lock_is_had_in_the_order_in_which_it_was_waited_for(
    state: State, path: Path, clock: SetClock
) -> None:
    had_by: list[str] = []

    async def write(by: str, opened: State) -> None:
        async with opened.transaction():
            had_by.append(by)

    async with open_state(path, clock) as another:
        for _ in range(ROUNDS):
            held = sqlite3.connect(path, isolation_level=None)
            held.execute("BEGIN IMMEDIATE")
            waiting = [asyncio.create_task(write(by, opened)) for by, opened in (("one", another), ("two", state))]
            await asyncio.sleep(LOOK_EVERY_S * 5)  # both look again and again; the order is that of their first look
            held.execute("ROLLBACK")
            held.close()
            await asyncio.gather(*waiting)

    assert had_by == ["one", "two"] * ROUNDS


async def test_one_who_never_leaves_the_turnstile_is_waited_for_once(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "COURTESY_S", 0.5)
    stopped = Turnstile(path.with_name(f"{path.name}.next"))
    loop = asyncio.get_running_loop()

    async with stopped.passing():
        began = loop.time()
        async with state.transaction():
            waited_s = loop.time() - began
        began = loop.time()
        for _ in range(10):
            async with state.transaction():
                pass
        ten_more_s = loop.time() - began
    stopped.close()

    assert waited_s >= turnstile.COURTESY_S
    assert ten_more_s < 10 * turnstile.COURTESY_S, "not for each of them again"


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
