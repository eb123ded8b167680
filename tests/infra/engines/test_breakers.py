"""How an engine is held off, and who looks whether it is back."""

import asyncio

import pytest

from infra.engines.breakers import Breakers
from infra.engines.port import DeadlinePassed, EngineRefused, EngineUnavailable
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.seats import Seat

HOLD_OFF_S = 0.05


@pytest.fixture
def seat() -> Seat[ScriptedEngine]:
    return Seat(ScriptedEngine(saying("Hello.")), 8)


@pytest.fixture
async def failed(seat: Seat[ScriptedEngine]) -> Breakers:
    """An engine that has failed, and the time for which it is held off is over."""
    breakers = Breakers(HOLD_OFF_S)
    await asks(breakers, seat, EngineUnavailable("down"))
    with pytest.raises(EngineUnavailable, match="held off"):
        await asks(breakers, seat)
    with pytest.raises(EngineUnavailable, match="held off"):
        await breakers.refuse(seat)
    await asyncio.sleep(2 * HOLD_OFF_S)
    return breakers


async def asks(breakers: Breakers, seat: Seat[ScriptedEngine], error: BaseException | None = None) -> None:
    """One request, which ends like this. Raises EngineUnavailable when it is not let through."""
    try:
        async with breakers.let_through(seat):
            if error is not None:
                raise error
    except BaseException as ended:
        if ended is not error:
            raise


async def test_one_request_looks_whether_it_is_back_and_the_others_are_not_kept(
    failed: Breakers, seat: Seat[ScriptedEngine]
) -> None:
    let_through = 0

    async def request() -> None:
        nonlocal let_through
        await failed.refuse(seat)
        async with failed.let_through(seat):
            let_through += 1
            await asyncio.sleep(0.05)
            raise EngineUnavailable("still down")

    ended = await asyncio.gather(*(request() for _ in range(20)), return_exceptions=True)

    assert let_through == 1
    assert sum("held off" in str(error) for error in ended) == 19


async def test_with_the_first_sign_of_life_it_is_well_for_all(failed: Breakers, seat: Seat[ScriptedEngine]) -> None:
    async with failed.let_through(seat) as probe:
        with pytest.raises(EngineUnavailable):
            await failed.refuse(seat)
        probe.answered()
        await failed.refuse(seat)


@pytest.mark.parametrize("given_up", [asyncio.CancelledError(), DeadlinePassed("late")])
async def test_a_look_that_was_given_up_says_nothing(
    failed: Breakers, seat: Seat[ScriptedEngine], given_up: BaseException
) -> None:
    await asks(failed, seat, given_up)
    async with failed.let_through(seat):
        with pytest.raises(EngineUnavailable):
            await failed.refuse(seat)  # still only one at a time
    await failed.refuse(seat)
    await asks(failed, seat)


async def test_a_refusal_is_a_sign_of_life(failed: Breakers, seat: Seat[ScriptedEngine]) -> None:
    await asks(failed, seat, EngineRefused("wrong"))
    async with failed.let_through(seat), failed.let_through(seat):
        await failed.refuse(seat)


@pytest.mark.parametrize("harmless", [EngineRefused("wrong"), DeadlinePassed("late"), asyncio.CancelledError()])
async def test_what_says_nothing_against_an_engine_does_not_hold_it_off(
    seat: Seat[ScriptedEngine], harmless: BaseException
) -> None:
    breakers = Breakers(60)
    await asks(breakers, seat, harmless)
    await breakers.refuse(seat)
    await asks(breakers, seat)


async def test_what_only_the_caller_could_see_may_be_counted(seat: Seat[ScriptedEngine]) -> None:
    breakers = Breakers(60)
    await breakers.blame(seat, DeadlinePassed("silent for a second"))
    with pytest.raises(EngineUnavailable, match="held off"):
        await breakers.refuse(seat)
    await breakers.refuse(Seat(seat.engine, 8))  # another seat is another server
