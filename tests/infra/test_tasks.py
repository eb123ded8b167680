"""A task that is cancelled ends, also when a cancellation gets lost on its way."""

import asyncio

import pytest

from infra.tasks import cancelled
from tests.conftest import HardOfHearing


@pytest.mark.parametrize("lost", [0, 2])
async def test_it_is_cancelled_until_it_has_ended(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.tasks.AGAIN_S", 0.01)
    work = HardOfHearing(loses=lost)
    task = asyncio.create_task(work.wait())
    await work.begun.wait()

    await cancelled(task)

    assert task.cancelled()
    assert work.cancellations == lost + 1


async def test_an_answer_that_comes_at_the_moment_of_the_cancellation_does_not_keep_a_loop_going() -> None:
    """What asyncio.wait_for of Python 3.11 does: the loop hears of no cancellation, and asks on."""
    answers: list[asyncio.Future[None]] = []

    async def ask_for_ever() -> None:
        while True:
            answers.append(asyncio.get_running_loop().create_future())
            await asyncio.wait_for(answers[-1], 60)

    task = asyncio.create_task(ask_for_ever())
    await asyncio.sleep(0)
    answers[0].set_result(None)

    async with asyncio.timeout(10):
        await cancelled(task)
    assert task.cancelled()


async def test_what_it_gave_or_raised_before_is_kept() -> None:
    async def give() -> int:
        return 7

    async def fail() -> None:
        raise ValueError("broken")

    gives, fails = asyncio.create_task(give()), asyncio.create_task(fail())
    await asyncio.wait({gives, fails})

    assert await cancelled(gives) == 7
    with pytest.raises(ValueError, match="broken"):
        await cancelled(fails)
