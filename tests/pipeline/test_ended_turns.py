"""Work for a turn is left at once when the turn ends, and nothing else is."""

import asyncio

import pytest

from pipeline.ended_turns import REMEMBERED_MAX, EndedTurns
from tests.conftest import HardOfHearing


async def test_work_is_left_when_its_turn_ends() -> None:
    ended, begun, went_on = EndedTurns(), asyncio.Event(), False

    async def work() -> bool:
        async with ended.working("turn") as block:
            begun.set()
            await asyncio.Event().wait()
        nonlocal went_on
        went_on = True
        return block.stopped

    task = asyncio.create_task(work())
    await begun.wait()
    ended.end("turn")

    assert await task
    assert went_on, "what follows the block is done"


async def test_other_turns_and_later_blocks_go_on() -> None:
    ended, begun, release = EndedTurns(), asyncio.Event(), asyncio.Event()

    async def work() -> bool:
        async with ended.working("other") as block:
            begun.set()
            await release.wait()
        return block.stopped

    task = asyncio.create_task(work())
    await begun.wait()
    ended.end("turn")
    release.set()

    assert not await task
    ended.end("other")  # nobody works for it any more


async def test_all_that_is_done_for_a_turn_is_left() -> None:
    ended, begun = EndedTurns(), asyncio.Semaphore(0)

    async def work() -> bool:
        async with ended.working("turn") as block:
            begun.release()
            await asyncio.Event().wait()
        return block.stopped

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    for _ in tasks:
        await begun.acquire()
    ended.end("turn")

    assert await asyncio.gather(*tasks) == [True, True, True]


async def test_what_the_work_raises_is_not_hidden() -> None:
    ended = EndedTurns()

    with pytest.raises(ValueError, match="broken"):
        async with ended.working("turn"):
            raise ValueError("broken")


async def test_what_the_work_raises_as_it_is_stopped_is_not_hidden() -> None:
    ended, begun = EndedTurns(), asyncio.Event()

    async def work() -> None:
        async with ended.working("turn"):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while cleaning up")

    task = asyncio.create_task(work())
    await begun.wait()
    ended.end("turn")

    with pytest.raises(ValueError, match="while cleaning up"):
        await task
    assert not task.cancelled()


async def test_a_cancellation_from_elsewhere_is_still_one() -> None:
    ended, begun = EndedTurns(), asyncio.Event()

    async def work() -> None:
        async with ended.working("turn"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    ended.end("turn")
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_got_lost_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ended_turns.AGAIN_S", 0.01)
    ended, inner = EndedTurns(), HardOfHearing(loses=2)

    async def work() -> bool:
        async with ended.working("turn") as block:
            await inner.wait()
        return block.stopped

    task = asyncio.create_task(work())
    await inner.begun.wait()
    ended.end("turn")

    assert await task
    assert (inner.cancellations, task.cancelling()) == (3, 0)


async def test_it_ends_together_with_a_deadline() -> None:
    ended, begun = EndedTurns(), asyncio.Event()

    async def work() -> bool:
        async with ended.working("turn") as block, asyncio.timeout(None) as limit:
            begun.set()
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()
        return block.stopped

    task = asyncio.create_task(work())
    await begun.wait()
    ended.end("turn")

    assert await task
    assert task.cancelling() == 0


def test_it_remembers_ended_turns_up_to_a_limit() -> None:
    ended = EndedTurns()
    for number in range(REMEMBERED_MAX + 1):
        ended.end(str(number))

    assert "0" not in ended
    assert "1" in ended
    assert str(REMEMBERED_MAX) in ended
    assert "never" not in ended
