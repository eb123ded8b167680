"""Asks the right engine for a role: the first of its list that can answer, within limits, falling back when it cannot.

Knows neither prompts nor what an answer is for. It never retries after a first token: who was answered half (EngineCut)
continues by asking anew with `Ask.continues`, and by then the broken engine is being held off. Of one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from infra.clock import Clock
from infra.engines.admission import Admission
from infra.engines.answers import Unreadable, asked_again, read
from infra.engines.port import (
    Ask,
    ContractBroken,
    DeadlinePassed,
    Delta,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    Finish,
    Generator,
    Role,
)
from schemas.chat import EngineUse, TokenUse
from schemas.contracts import Contract, schema_of

C = TypeVar("C", bound=Contract)

HOLD_OFF_S: Final = 2.0  # a local engine is back within seconds; each try of a dead one costs its time-out
FALLBACK_RESERVE_S: Final = 2.0  # kept back from the deadline for the engines further down the list
SHOWN_ANSWER_CHARS: Final = 80
_FAILURES_TO_OPEN: Final = 1
_SPEED_MEMORY: Final = 0.2  # weight of the latest first token in what is expected of the next


class Seat:
    """One engine with its limits: shared by all roles that use it, so that the limits hold."""

    def __init__(self, engine: Generator, places: int, background_places: int | None = None) -> None:
        """`places`: requests at once. Background work gets half of them unless said otherwise (vLLM: all, as it
        obeys priorities itself)."""
        self.engine = engine
        self.admission = Admission(places, background_places or max(1, places // 2))
        self.first_token_s = 0.0  # expected; learned from what was seen

    @property
    def name(self) -> str:
        return f"{self.engine.backend}/{self.engine.model}"

    def learn(self, first_token_s: float) -> None:
        self.first_token_s += _SPEED_MEMORY * (first_token_s - self.first_token_s)


@dataclass(slots=True)
class Reply:
    """A running answer: iterate for its deltas. `use` and `tokens` are final once the iteration has ended."""

    use: EngineUse
    tokens: TokenUse
    deltas: AsyncIterator[Delta]

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self._counted()

    async def _counted(self) -> AsyncGenerator[Delta]:
        async for delta in self.deltas:
            if delta.finish is not None:
                self.tokens = TokenUse(prompt=delta.prompt_tokens, completion=delta.completion_tokens)
            yield delta


class Roles:
    """Which engines answer for a role, best first."""

    def __init__(self, seats: Mapping[Role, Sequence[Seat]], clock: Clock, hold_off_s: float = HOLD_OFF_S) -> None:
        self._seats = {role: tuple(listed) for role, listed in seats.items()}
        self._clock = clock
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=_FAILURES_TO_OPEN,
            default_ttl=hold_off_s,
            # Neither says anything about the engine's health: a bad request, and a turn that was stopped or late.
            exclude=[EngineRefused, ContractBroken, DeadlinePassed, asyncio.CancelledError, GeneratorExit],
        )

    def seats(self, role: Role) -> tuple[Seat, ...]:
        """The role's engines, best first. Raises EngineUnavailable when it has none."""
        if not (listed := self._seats.get(role)):
            raise EngineUnavailable(f"no engine is configured for the role {role!r}")
        return listed

    @asynccontextmanager
    async def stream(self, role: Role, ask: Ask) -> AsyncIterator[Reply]:
        """Start an answer and stream it; leaving the context aborts what is still being generated.

        Falls down the list as long as no token has come. Raises EngineCut while iterating; EngineUnavailable,
        EngineRefused or DeadlinePassed (the last engine's) when no engine could start, with all reasons.
        """
        missed: list[EngineError] = []
        async with AsyncExitStack() as held:
            listed = self.seats(role)
            for place, seat in enumerate(listed):
                attempt = AsyncExitStack()
                try:
                    deltas = await self._started(attempt, seat, self._for(place, listed, ask))
                except EngineError as error:
                    await attempt.aclose()
                    missed.append(error)
                except BaseException:
                    await attempt.aclose()
                    raise
                else:
                    held.push_async_exit(attempt)
                    yield Reply(_use(seat, missed), TokenUse(), deltas)
                    return
        raise _summary(role, missed)

    async def answer(self, role: Role, ask: Ask, contract: type[C]) -> tuple[C, EngineUse]:
        """An answer that validates as `contract`, from the first engine of the role that gives one.

        Raises what the last engine did wrong, with all reasons: ContractBroken, EngineUnavailable, DeadlinePassed ...
        """
        forced = replace(ask, schema=schema_of(contract))
        missed: list[EngineError] = []
        listed = self.seats(role)
        for place, seat in enumerate(listed):
            try:
                return await self._in_contract(seat, self._for(place, listed, forced), contract), _use(seat, missed)
            except EngineError as error:
                missed.append(error)
        raise _summary(role, missed)

    async def _in_contract(self, seat: Seat, ask: Ask, contract: type[C]) -> C:
        """One engine's answer. One that cannot be used is shown to it, once, as far as the deadline allows.

        Raises ContractBroken, or what kept the engine from a first answer.
        """
        text, finish = await self._whole(seat, ask)
        try:
            return _read(text, finish, ask, contract)
        except Unreadable as wrong:
            try:
                text, finish = await self._whole(seat, asked_again(ask, text, wrong))
                return _read(text, finish, ask, contract)
            except (Unreadable, EngineError) as again:
                told = f"{wrong}; asked again: {again}" if str(again) != str(wrong) else str(wrong)
                raise ContractBroken(f"{seat.name}: {told}; answered {text[:SHOWN_ANSWER_CHARS]!r}") from None

    async def _whole(self, seat: Seat, ask: Ask) -> tuple[str, Finish | None]:
        """An answer to its end, and how it ended. Raises EngineError."""
        text, finish = "", None
        async with AsyncExitStack() as held:
            async for delta in await self._started(held, seat, ask):
                text, finish = text + delta.text, delta.finish
        return text, finish

    async def aclose(self) -> None:
        """Close all engines."""
        for engine in {id(seat.engine): seat.engine for listed in self._seats.values() for seat in listed}.values():
            await engine.aclose()

    async def _started(self, held: AsyncExitStack, seat: Seat, ask: Ask) -> AsyncIterator[Delta]:
        """Wait for a place and a first token. `held` then holds the place and the running generation."""
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        await held.enter_async_context(seat.admission.place(ask.priority, left_s - seat.first_token_s))
        # Two servers may serve the same model: one's failure says nothing about the other.
        breaker = await self._breakers.get_breaker(f"{seat.name}#{id(seat)}")
        deltas = await held.enter_async_context(aclosing(_watched(breaker, seat, ask)))
        asked_at = asyncio.get_running_loop().time()
        first = await anext(deltas, None)
        if first is None or (first.finish is not None and not first.text and not ask.continues):
            raise EngineUnavailable(f"{seat.name}: answered nothing")
        seat.learn(asyncio.get_running_loop().time() - asked_at)
        return _from(first, deltas)

    def _for(self, place: int, listed: Sequence[Seat], ask: Ask) -> Ask:
        """The request as put to one of the engines: each but the last leaves the others some time."""
        if place == len(listed) - 1:
            return ask
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        return replace(ask, deadline=ask.deadline - timedelta(seconds=max(0.0, min(FALLBACK_RESERVE_S, left_s / 2))))


async def _watched(breaker: AbstractAsyncContextManager[object], seat: Seat, ask: Ask) -> AsyncGenerator[Delta]:
    """The engine's answer, with its failures counted. Raises EngineUnavailable while the engine is held off."""
    try:
        async with breaker, aclosing(seat.engine.generate(ask)) as deltas:
            async for delta in deltas:
                yield delta
    except OpenedState:
        raise EngineUnavailable(f"{seat.name}: held off for a moment after a failure") from None


async def _from(first: Delta, rest: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
    yield first
    async for delta in rest:
        yield delta


def _use(seat: Seat, missed: Sequence[EngineError]) -> EngineUse:
    reason = "; ".join(map(str, missed)) or None
    return EngineUse(backend=seat.engine.backend, model=seat.engine.model, fallback=bool(missed), reason=reason)


def _summary(role: Role, missed: Sequence[EngineError]) -> EngineError:
    """The last engine's error, told with all that went before it."""
    return type(missed[-1])(f"no engine could answer for {role!r}: {'; '.join(map(str, missed))}")


def _read(text: str, finish: Finish | None, ask: Ask, contract: type[C]) -> C:
    if finish == "length":
        raise Unreadable(f"cut off at {ask.max_tokens} tokens: {text[-60:]!r}")
    return read(text, contract)
