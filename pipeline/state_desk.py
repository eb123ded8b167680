"""Answers questions to the state over core NATS, for whoever may not open it: pages of what a user has, nothing more.

The keeper answers. Only reads; what shall change goes through the bus as an event. Whether the asker may see it is for
the asker to know.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, TypeAdapter

from infra.bus.connection import Bus
from infra.clock import Clock
from infra.state import appointments, expenses, friends, history, ledger, notes, reminders, turns
from infra.state.appointments import Appointment
from infra.state.errors import StateError
from infra.state.expenses import Expense
from infra.state.friends import Friend
from infra.state.history import Extent, Said
from infra.state.ledger import Balance, Entry
from infra.state.notes import Note
from infra.state.port import State, Transaction
from infra.state.reminders import Reminder
from infra.state.scope import Scope
from pipeline.cursors import CURSOR_MAX_CHARS, cursor_of, key_of, moment_of
from schemas.catalogue import checked
from schemas.errors import InvalidField
from schemas.event import Frozen, Token, Uuid7
from schemas.ids import LIVE_RUN

ASK_SUBJECT: Final = "parley.ask.state"
ASK_TIMEOUT_S: Final = 5.0  # a page takes a few milliseconds; a keeper that waits for a disk takes longer than anybody
ASKED_AT_ONCE: Final = 4  # in hand: each holds the state's lock for its page
PAGE_MAX: Final = 100
BALANCES_MAX: Final = 200
ANSWER_MAX_BYTES: Final = 900_000  # the bus carries 1 MiB a message

A = TypeVar("A")
R = TypeVar("R")


class StateNotAsked(Exception):
    """The state could not be read; the message says why."""


class Question(Frozen):
    """Whose, and which part of it. `cursor` is the `next` of the page before."""

    user: Token
    tenant: Token
    run: Token = LIVE_RUN
    conversation: Uuid7 | None = None
    cursor: Annotated[str, Field(max_length=CURSOR_MAX_CHARS)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 20

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant, self.run, self.user)


class _Asked(Frozen):
    """A question as it travels."""

    what: str
    question: Question


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows; `next` leads on to those that follow, None: there are none."""

    rows: tuple[R, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A user's history as a whole."""

    extent: Extent
    last: Said | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Who owes whom (the same on each page), and how it came about."""

    balances: tuple[Balance, ...]
    entries: Page[Entry]


@dataclass(frozen=True, slots=True)
class Kind(Generic[A]):
    """A kind of question, with its answer and where that is read."""

    what: str
    answer: TypeAdapter[A]
    read: Callable[[Transaction, Question, datetime], Awaitable[A]]


class StateDesk:
    """Beside a keeper, on its state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def answer_on(self, bus: Bus) -> None:
        """Answer from `bus.start_answering` on."""
        bus.answer(ASK_SUBJECT, self.answer, at_once=ASKED_AT_ONCE)

    async def answer(self, payload: bytes) -> bytes:
        """{answer}, or {error: {field, value, expected}} when it was asked wrongly, {failed} when it cannot be read."""
        try:
            asked = checked(_Asked, payload)
            kind = KINDS.get(asked.what)
            if kind is None:
                raise InvalidField("what", asked.what, f"one of {', '.join(KINDS)}")
            question = asked.question
            while len(answer := await self._read(kind, question)) > ANSWER_MAX_BYTES and question.limit > 1:
                question = question.model_copy(update={"limit": question.limit // 2})  # the page ends earlier
        except InvalidField as error:
            return json.dumps({"error": error.told()}).encode()
        except StateError as error:
            return json.dumps({"failed": str(error)}).encode()
        return answer

    async def _read(self, kind: Kind[Any], question: Question) -> bytes:
        async with self._state.transaction() as tx:
            found = await kind.read(tx, question, self._clock.now())
        return b'{"answer":%b}' % kind.answer.dump_json(found)


async def ask_state(bus: Bus, kind: Kind[A], question: Question) -> A:
    """Ask a keeper. Raises BusUnavailable (none answers), StateNotAsked, InvalidField (a cursor that is none)."""
    asked = _Asked(what=kind.what, question=question)
    answer = json.loads(await bus.ask(ASK_SUBJECT, asked.model_dump_json().encode(), timeout_s=ASK_TIMEOUT_S))
    if "failed" in answer:
        raise StateNotAsked(answer["failed"])
    if "error" in answer:
        raise InvalidField.retold(answer["error"])
    return kind.answer.validate_python(answer["answer"])


# What can be asked


async def _history(tx: Transaction, q: Question, now: datetime) -> Page[Said]:
    del now
    rows = await history.page(tx, q.scope, moment_of(q.cursor), q.limit + 1, q.conversation)
    return _page(rows, q, lambda said: (said.time, said.turn))


async def _summary(tx: Transaction, q: Question, now: datetime) -> Summary:
    del now
    newest = await history.page(tx, q.scope, None, 1)
    return Summary(await history.extent(tx, q.scope), newest[0] if newest else None)


async def _reminders(tx: Transaction, q: Question, now: datetime) -> Page[Reminder]:
    del now
    rows = await reminders.open_ones(tx, q.scope, q.limit + 1, moment_of(q.cursor))
    return _page(rows, q, lambda reminder: (reminder.due_at, reminder.id))


async def _notes(tx: Transaction, q: Question, now: datetime) -> Page[Note]:
    del now
    rows = await notes.newest(tx, q.scope, q.limit + 1, after=moment_of(q.cursor))
    return _page(rows, q, lambda note: (note.created_at, note.id))


async def _ledger(tx: Transaction, q: Question, now: datetime) -> Ledger:
    del now
    rows = await ledger.entries(tx, q.scope, moment_of(q.cursor), q.limit + 1)
    balances = await ledger.balances(tx, q.scope, limit=BALANCES_MAX)
    return Ledger(tuple(balances), _page(rows, q, lambda entry: (entry.created_at, entry.id)))


async def _expenses(tx: Transaction, q: Question, now: datetime) -> Page[Expense]:
    del now
    rows = await expenses.newest(tx, q.scope, moment_of(q.cursor), q.limit + 1)
    return _page(rows, q, lambda expense: (expense.spent_at, expense.id))


async def _appointments(tx: Transaction, q: Question, now: datetime) -> Page[Appointment]:
    rows = await appointments.not_over(tx, q.scope, now, moment_of(q.cursor), q.limit + 1)
    return _page(rows, q, lambda appointment: (appointment.starts_at, appointment.id))


async def _friends(tx: Transaction, q: Question, now: datetime) -> Page[Friend]:
    del now
    after = key_of(q.cursor, 1)[0] if q.cursor is not None else None
    rows = await friends.by_name(tx, q.scope, after, q.limit + 1)
    return _page(rows, q, lambda friend: (friend.name_key,))


async def _owner(tx: Transaction, q: Question, now: datetime) -> str | None:
    del now
    if q.conversation is None:
        raise InvalidField("conversation", None, "the conversation whose owner is asked for")
    return await turns.owner(tx, q.tenant, q.run, q.conversation)


HISTORY: Final[Kind[Page[Said]]] = Kind("history", TypeAdapter(Page[Said]), _history)
SUMMARY: Final[Kind[Summary]] = Kind("summary", TypeAdapter(Summary), _summary)
REMINDERS: Final[Kind[Page[Reminder]]] = Kind("reminders", TypeAdapter(Page[Reminder]), _reminders)
NOTES: Final[Kind[Page[Note]]] = Kind("notes", TypeAdapter(Page[Note]), _notes)
LEDGER: Final[Kind[Ledger]] = Kind("ledger", TypeAdapter(Ledger), _ledger)
EXPENSES: Final[Kind[Page[Expense]]] = Kind("expenses", TypeAdapter(Page[Expense]), _expenses)
APPOINTMENTS: Final[Kind[Page[Appointment]]] = Kind("appointments", TypeAdapter(Page[Appointment]), _appointments)
FRIENDS: Final[Kind[Page[Friend]]] = Kind("friends", TypeAdapter(Page[Friend]), _friends)
OWNER: Final[Kind[str | None]] = Kind("owner", TypeAdapter(str | None), _owner)
"""Whose `conversation` is; None: nobody's yet."""
KINDS: Final[dict[str, Kind[Any]]] = {
    kind.what: kind for kind in (HISTORY, SUMMARY, REMINDERS, NOTES, LEDGER, EXPENSES, APPOINTMENTS, FRIENDS, OWNER)
}


def _page(rows: Sequence[R], question: Question, key: Callable[[R], tuple[str | datetime, ...]]) -> Page[R]:
    """The page of `rows`, of which one more was read than is wanted."""
    if len(rows) <= question.limit:
        return Page(tuple(rows))
    kept = tuple(rows[: question.limit])
    return Page(kept, cursor_of(*key(kept[-1])))
