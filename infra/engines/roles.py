"""Asks the right engine for a role: the first of its list that can answer, within limits, falling back when it cannot.

Knows neither prompts nor what an answer is for. It never retries after a first token: who was answered half (EngineCut)
continues by asking anew with `Ask.continues`, and by then the broken engine is being held off. Of one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from infra.clock import Clock
from infra.engines.answers import Unreadable, asked_again, read
from infra.engines.breakers import HOLD_OFF_S, SILENCE_COUNTS_S, Breakers
from infra.engines.port import (
    Ask,
    ContractBroken,
    DeadlinePassed,
    Delta,
    Engine,
    EngineCut,
    EngineError,
    EngineUnavailable,
    Finish,
    Generator,
    Role,
)
from infra.engines.recalling import RecallingEngine
from infra.engines.seats import Seat, deadline_at, summary, use_of
from schemas.chat import EngineUse, TokenUse
from schemas.contracts import Contract, schema_of

C = TypeVar("C", bound=Contract)
E = TypeVar("E", bound=Engine)

SHOWN_ANSWER_CHARS: Final = 80
_OWN_WORD_S: Final = 0.1  # beyond its deadline, in which the engine itself says that it has passed
ANSWER_MAX_CHARS: Final = 64_000  # of a structured answer, whatever its engine was told
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
    async def stream(self, role: Role, ask: Ask, without: Collection[str] = ()) -> AsyncIterator[Reply]:
        """Start an answer and stream it; leaving the context aborts what is still being generated.

        `without`: names (`backend/model`) of engines that have already given no usable answer to this.

        Falls down the list as long as no token has come. Raises EngineCut while iterating; EngineUnavailable,
        EngineRefused or DeadlinePassed (the last engine's) when no engine could start, with all reasons.
        """
        missed: list[EngineError] = []
        async with AsyncExitStack() as held:
            listed = self.seats(role)
            for place, seat in enumerate(listed):
                if seat.name in without:
                    missed.append(EngineUnavailable(f"{seat.name}: said nothing usable"))
                    continue
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

    async def answer(
        self, role: Role, ask: Ask, contract: type[C], within_s: float | None = None
    ) -> tuple[C, EngineUse]:
        """An answer that validates as `contract`, from the first engine of the role that gives one.

        `within_s`: from now on, where that is sooner than the deadline; each engine leaves some of it for the next.
        Raises what the last engine did wrong, with all reasons: ContractBroken, EngineUnavailable, DeadlinePassed ...
        """
        until = ask.deadline
        if within_s is not None:
            until = min(until, self._clock.now() + timedelta(seconds=within_s))
        forced = replace(ask, schema=schema_of(contract), deadline=until)
        missed: list[EngineError] = []
        listed = self.seats(role)
        for place, seat in enumerate(listed):
            try:
                return await self._in_contract(seat, self._asked(place, listed, forced), contract), use_of(seat, missed)
            except EngineError as error:
                missed.append(error)
        raise summary(role, missed)

    def at_work(self) -> Mapping[str, tuple[int, int]]:
        """By engine (`backend/model`): requests in flight, and requests that wait for a place; servers of one model
        are added up."""
        return at_work(seat for listed in self._seats.values() for seat in listed)

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
        """An answer to its end, and how it ended. Raises EngineError, also when it has no end."""
        text, finish = "", None
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, left_s) + 2 * _OWN_WORD_S), AsyncExitStack() as held:
                async for delta in await self._started(held, seat, ask):
                    text, finish = text + delta.text, delta.finish
                    if len(text) > ANSWER_MAX_CHARS:
                        raise EngineUnavailable(f"{seat.name}: an answer of more than {ANSWER_MAX_CHARS} characters")
        except TimeoutError:
            raise DeadlinePassed(f"{seat.name}: no whole answer within {left_s:.1f} s") from None
        return text, finish

    async def aclose(self) -> None:
        """Close all engines."""
        for engine in {id(seat.engine): seat.engine for listed in self._seats.values() for seat in listed}.values():
            await engine.aclose()

    async def _started(self, held: AsyncExitStack, seat: Seat[Generator], ask: Ask) -> AsyncIterator[Delta]:
        """Wait for a place and a first token. `held` then holds the place and the running generation."""
        await self._breakers.refuse(seat)
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        await held.enter_async_context(seat.admission.place(ask.priority, left_s - seat.first_token_s))
        deltas = await held.enter_async_context(aclosing(_watched(self._breakers, seat, ask)))
        asked_at = asyncio.get_running_loop().time()
        try:
            first = await self._first(seat, deltas, ask)
        except DeadlinePassed as error:
            if asyncio.get_running_loop().time() - asked_at >= SILENCE_COUNTS_S:
                await self._breakers.blame(seat, error)
            raise
        if first is None or (first.finish is not None and not first.text and not ask.continues):
            raise EngineUnavailable(f"{seat.name}: answered nothing")
        seat.learn(asyncio.get_running_loop().time() - asked_at)
        return _from(first, deltas)

    async def _first(self, seat: Seat[Generator], deltas: AsyncGenerator[Delta], ask: Ask) -> Delta | None:
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, left_s) + _OWN_WORD_S):
                return await anext(deltas, None)
        except TimeoutError:
            raise DeadlinePassed(f"{seat.name}: no token before the deadline") from None

    def _asked(self, place: int, listed: Sequence[Seat[Generator]], ask: Ask) -> Ask:
        """The request as put to one of the engines: with its own sampling, and some time left for those after it."""
        fitted = listed[place].sampling.applied(ask)
        return replace(fitted, deadline=deadline_at(place, len(listed), ask.deadline, self._clock))


def at_work(seats: Iterable[Seat[E]]) -> dict[str, tuple[int, int]]:
    """By engine (`backend/model`): requests in flight, and requests that wait for a place."""
    found: dict[str, tuple[int, int]] = {}
    for seat in {id(seat): seat for seat in seats}.values():
        running, waiting = found.get(seat.name, (0, 0))
        found[seat.name] = (running + seat.admission.running, waiting + seat.admission.waiting)
    return found


async def _watched(breakers: Breakers, seat: Seat[Generator], ask: Ask) -> AsyncGenerator[Delta]:
    """The engine's answer, with its failures counted. Raises EngineUnavailable while the engine is held off.

    What a server's answer provokes beyond EngineError (numbers without bounds, nesting without end) is one as well.
    """
    async with breakers.let_through(seat) as guarded:
        try:
            async with aclosing(seat.engine.generate(ask)) as deltas:
                async for delta in deltas:
                    if not guarded.has_answered:
                        guarded.answered()
                    yield delta
        except EngineError:
            raise
        except Exception as error:
            broken = EngineCut if guarded.has_answered else EngineUnavailable
            raise broken(f"{seat.name}: {type(error).__name__} {error}".rstrip()) from error


async def _from(first: Delta, rest: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
    yield first
    async for delta in rest:
        yield delta


def _read(text: str, finish: Finish | None, ask: Ask, contract: type[C]) -> C:
    if finish == "length":
        raise Unreadable(f"cut off at {ask.max_tokens} tokens: {text[-60:]!r}")
    return read(text, contract)
