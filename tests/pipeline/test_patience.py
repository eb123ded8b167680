"""Trouble that passes is waited out; all other trouble is not."""

import asyncio

import pytest

from infra.bus.errors import BusFull, BusUnavailable
from infra.state.errors import StateBusy, StateCorrupt, StateFull, StateMisused, StateUnwritable
from pipeline import retry
from pipeline.patience import patiently


class Work:
    """Fails with these errors, one a time, then succeeds."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.times: list[bool] = []

    async def __call__(self, again: bool) -> None:
        self.times.append(again)
        if self.troubles:
            raise self.troubles.pop(0)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_S", 0.0001)


async def test_it_goes_on_until_the_work_is_done_and_says_that_it_is_not_the_first_time() -> None:
    work = Work(*[StateFull("no room")] * 7, BusUnavailable("away"), BusFull("full"))
    told: list[str] = []

    await patiently(work, asyncio.Event(), lambda trouble, _: told.append(str(trouble)))

    assert work.times == [False] + [True] * 9
    assert told == ["no room"] * 7 + ["away", "full"]


@pytest.mark.parametrize("trouble", [StateBusy, StateFull, StateUnwritable, BusFull, BusUnavailable])
async def test_who_is_leaving_does_not_wait(trouble: type[Exception]) -> None:
    leaving = asyncio.Event()
    leaving.set()

    with pytest.raises(trouble):
        await patiently(Work(trouble("x")), leaving, lambda *_: None)


async def test_leaving_ends_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_S", 1_000.0)
    monkeypatch.setattr("pipeline.patience.LONGEST_WAIT_S", 1_000.0)
    leaving, waits = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(patiently(Work(*[StateFull("x")] * 2), leaving, lambda *_: waits.set()))
    await waits.wait()

    leaving.set()

    with pytest.raises(StateFull):
        await waiting


@pytest.mark.parametrize("error", [StateCorrupt, StateMisused, ValueError])
async def test_what_does_not_pass_by_itself_is_not_waited_for(error: type[Exception]) -> None:
    work = Work(error("x"))

    with pytest.raises(error):
        await patiently(work, asyncio.Event(), lambda *_: None)

    assert work.times == [False]


async def test_the_waits_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.patience.LONGEST_WAIT_S", 0.0004)
    waits: list[float] = []

    await patiently(Work(*[StateFull("x")] * 5), asyncio.Event(), lambda _, wait_s: waits.append(wait_s))

    assert waits == [0.0001, 0.0002, 0.0004, 0.0004, 0.0004]
