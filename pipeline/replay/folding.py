"""The state as it was at a moment, made anew from the log: what was classified is routed again, what was said noted.

Each user has a state in memory. The router acts on what it acted on then, with the time that it was then, so what it
had done by a moment is what stands there; where today's skills do something else than the log tells, it is counted.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from infra.clock import SetClock
from infra.state import history, inbox, reminders
from infra.state.scope import scope_of
from infra.state.sqlite import SqliteState, open_in_memory
from pipeline.replay.logged import ENDS
from schemas.chat import ReplyRequested
from schemas.event import Event, Fact, Meta
from schemas.history import HistoryForgotten
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.tasks import ReminderDue, TaskCompleted
from schemas.turns import ReplyCutShort, TextTurnOpened, TurnCompleted, TurnFailed, TurnInterrupted
from stages.router.stage import RouterGiven, route

REMINDERS_AT_ONCE = 100
HISTORY_KEPT = 24  # turns of a conversation: twice what the router hands to chat


@dataclass(slots=True)
class _Notes:
    """What is known of a turn that has not ended yet."""

    text: str = ""
    classified: Event[IntentClassified] | None = None  # not acted on yet
    logged: list[str] = field(default_factory=list)
    acted: int = 0  # intents, from the first, of which the log tells what was done
    folded: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _User:
    state: SqliteState
    clock: SetClock


class Folding:
    """The states of some users, all in one run's name. Use as a context."""

    def __init__(self, run: str, currency: str) -> None:
        self._run = run
        self._currency = currency
        self._users: dict[tuple[str, str], _User] = {}
        self._notes: dict[str, _Notes] = {}
        self._opened = AsyncExitStack()
        self.otherwise = 0  # turns of which today's skills make something else than the log tells
        self.troubles: list[str] = []  # what could not be folded, and why

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def is_about_to_act(self, event: Event[Fact]) -> bool:
        """Whether the router had acted on what this turn wanted when it said this event, its last one of the turn."""
        notes = self._notes.get(event.meta.turn)
        if notes is None or notes.classified is None:
            return False
        if isinstance(event.fact, ReplyRequested):
            return notes.classified.meta.id == event.meta.cause
        return isinstance(event.fact, ENDS) and bool(notes.logged)  # it was cut short after some of it

    async def image(self, event: Event[Fact]) -> bytes:
        """The state of this event's user as it is now."""
        return (await self._user(event)).state.image()

    async def take_in(self, event: Event[Fact]) -> None:
        """One event, in the order of the log. What cannot be folded is noted among the troubles."""
        meta = event.meta.model_copy(update={"run": self._run})
        user = await self._user(event)
        user.clock.at = meta.time
        if isinstance(event.fact, ReminderDue):  # its turn has ended long ago
            async with user.state.transaction() as tx:
                await reminders.claim_due(tx, self._run, meta.time, REMINDERS_AT_ONCE)
            return
        if isinstance(event.fact, HistoryForgotten):  # it opened no turn
            async with user.state.transaction() as tx:
                await history.forget(tx, scope_of(meta), event.fact.only)
            return
        about_to_act = self.is_about_to_act(event)
        notes = self._notes.setdefault(meta.turn, _Notes())
        if about_to_act:
            await self._act(notes, user, whole=isinstance(event.fact, ReplyRequested))
        match event.fact:
            case TextTurnOpened(text=text) | TranscriptReady(text=text):
                notes.text = text
            case IntentClassified() as fact if fact.text or fact.empty_because:  # else what was said is left out
                notes.classified = Event[IntentClassified].model_construct(meta=meta, fact=fact)
            case TaskCompleted(outcome=outcome, intent=intent):
                notes.logged.append(outcome.message)
                notes.acted = max(notes.acted, intent + 1)
            case TurnCompleted(reply=heard) | TurnInterrupted(spoken=heard):
                if notes.text and (heard or isinstance(event.fact, TurnCompleted)):
                    async with user.state.transaction() as tx:
                        await history.record(tx, meta, notes.text, heard, meta.time)
                await self._ended(meta, user)
            case ReplyCutShort(spoken=heard):  # its turn has ended before
                self._notes.pop(meta.turn, None)
                async with user.state.transaction() as tx:
                    await history.correct(tx, meta, heard)
            case TurnFailed():
                await self._ended(meta, user)

    async def _act(self, notes: _Notes, user: _User, *, whole: bool) -> None:
        assert notes.classified is not None  # asked before
        event, notes.classified = notes.classified, None
        if not whole:  # the turn ended before the router came to the others
            intents = event.fact.intents[: notes.acted]
            event = event.model_copy(update={"fact": event.fact.model_copy(update={"intents": intents})})
        try:
            async for said in route(event, RouterGiven(user.state, currency=self._currency), ()):
                fact: Any = said.fact if isinstance(said, Event) else said
                if isinstance(fact, TaskCompleted):
                    notes.folded.append(fact.outcome.message)
        except Exception as trouble:  # noqa: BLE001  # one turn of long ago must not keep all others from being run
            self.troubles.append(f"turn {event.meta.turn}: {type(trouble).__name__}: {trouble}")

    async def _ended(self, meta: Meta, user: _User) -> None:
        """Compare, and let go of what no later turn asks for: the state is copied for each turn that is run again."""
        notes = self._notes.pop(meta.turn, None)
        if notes is not None and notes.logged != notes.folded:
            self.otherwise += 1
        async with user.state.transaction() as tx:
            await inbox.forget_turn(tx, meta.turn)
            await history.shorten(tx, scope_of(meta), meta.conversation, meta.number - HISTORY_KEPT)

    async def _user(self, event: Event[Fact]) -> _User:
        key = (event.meta.tenant, event.meta.user)
        if key not in self._users:
            clock = SetClock(event.meta.time)
            state = await self._opened.enter_async_context(open_in_memory(clock))
            self._users[key] = _User(state, clock)
        return self._users[key]
