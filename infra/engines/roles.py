"""Asks the right engine for a role: the first of its list that can answer, within limits, falling back when it cannot.

Knows neither prompts nor what an answer is for. It never retries after a first token: who was answered half (EngineCut)
continues by asking anew with `Ask.continues`, and by then the broken engine is being held off. Of one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from infra.clock import Clock
from infra.engines.answers import Unreadable, asked_again, read
from infra.engines.port import (
    Ask,
    ContractBroken,
    Delta,
    EngineError,
    EngineUnavailable,
    Finish,
    Generator,
    Role,
)
from infra.engines.recalling import RecallingEngine
from infra.engines.seats import (
    HOLD_OFF_S,
    Breakers,
    OpenedState,
    Seat,
    deadline_at,
    held_off,
    summary,
    use_of,
)
from schemas.chat import EngineUse, TokenUse
from schemas.contracts import Contract, schema_of

C = TypeVar("C", bound=Contract)

SHOWN_ANSWER_CHARS: Final = 80
_NOT_KEPT: Final = frozenset({"recalled", "contextual"})  # backends whose answers are not worth remembering


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

    def __init__(
        self,
        seats: Mapping[Role, Sequence[Seat[Generator]]],
        clock: Clock,
        hold_off_s: float = HOLD_OFF_S,
        recalled: RecallingEngine | None = None,
    ) -> None:
        """`recalled` keeps what is to be remembered; it may be one of the seats."""
        self._seats = {role: tuple(listed) for role, listed in seats.items()}
        self._clock = clock
        self._breakers = Breakers(hold_off_s)
        self._recalled = recalled

    def seats(self, role: Role) -> tuple[Seat[Generator], ...]:
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
                    deltas = await self._started(attempt, seat, self._asked(place, listed, ask))
                except EngineError as error:
                    await attempt.aclose()
                    missed.append(error)
                except BaseException:
                    await attempt.aclose()
                    raise
                else:
                    held.push_async_exit(attempt)
                    yield Reply(use_of(seat, missed), TokenUse(), deltas)
                    return
        raise summary(role, missed)

    async def answer(self, role: Role, ask: Ask, contract: type[C]) -> tuple[C, EngineUse]:
        """An answer that validates as `contract`, from the first engine of the role that gives one.

        Raises what the last engine did wrong, with all reasons: ContractBroken, EngineUnavailable, DeadlinePassed ...
        """
        forced = replace(ask, schema=schema_of(contract))
        missed: list[EngineError] = []
        listed = self.seats(role)
        for place, seat in enumerate(listed):
            try:
                return await self._in_contract(seat, self._asked(place, listed, forced), contract), use_of(seat, missed)
            except EngineError as error:
                missed.append(error)
        raise summary(role, missed)

    def at_work(self) -> Mapping[str, tuple[int, int]]:
        """By engine (`backend/model`): requests in flight, and requests that wait for a place."""
        seats = {id(seat): seat for listed in self._seats.values() for seat in listed}
        return {seat.name: (seat.admission.running, seat.admission.waiting) for seat in seats.values()}

    def remember(self, ask: Ask, text: str, use: EngineUse) -> None:
        """Keep a whole reply for a time when no engine can be asked, if its question stood alone."""
        if self._recalled is not None and use.backend not in _NOT_KEPT:
            self._recalled.keep(ask, text)

    async def _in_contract(self, seat: Seat[Generator], ask: Ask, contract: type[C]) -> C:
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

    async def _whole(self, seat: Seat[Generator], ask: Ask) -> tuple[str, Finish | None]:
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

    async def _started(self, held: AsyncExitStack, seat: Seat[Generator], ask: Ask) -> AsyncIterator[Delta]:
        """Wait for a place and a first token. `held` then holds the place and the running generation."""
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        await held.enter_async_context(seat.admission.place(ask.priority, left_s - seat.first_token_s))
        breaker = await self._breakers.of(seat)
        deltas = await held.enter_async_context(aclosing(_watched(breaker, seat, ask)))
        asked_at = asyncio.get_running_loop().time()
        first = await anext(deltas, None)
        if first is None or (first.finish is not None and not first.text and not ask.continues):
            raise EngineUnavailable(f"{seat.name}: answered nothing")
        seat.learn(asyncio.get_running_loop().time() - asked_at)
        return _from(first, deltas)

    def _asked(self, place: int, listed: Sequence[Seat[Generator]], ask: Ask) -> Ask:
        """The request as put to one of the engines: with its own sampling, and some time left for those after it."""
        fitted = listed[place].sampling.applied(ask)
        return replace(fitted, deadline=deadline_at(place, len(listed), ask.deadline, self._clock))


async def _watched(
    breaker: AbstractAsyncContextManager[object], seat: Seat[Generator], ask: Ask
) -> AsyncGenerator[Delta]:
    """The engine's answer, with its failures counted. Raises EngineUnavailable while the engine is held off."""
    try:
        async with breaker, aclosing(seat.engine.generate(ask)) as deltas:
            async for delta in deltas:
                yield delta
    except OpenedState:
        raise held_off(seat) from None


async def _from(first: Delta, rest: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
    yield first
    async for delta in rest:
        yield delta


def _read(text: str, finish: Finish | None, ask: Ask, contract: type[C]) -> C:
    if finish == "length":
        raise Unreadable(f"cut off at {ask.max_tokens} tokens: {text[-60:]!r}")
    return read(text, contract)
