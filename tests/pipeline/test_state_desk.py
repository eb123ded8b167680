"""Questions to the state over the bus: pages that lead through everything, and only what is the user's own."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.clock import SetClock, new_id
from infra.state import appointments, expenses, friends, history, ledger, notes, reminders, turns
from infra.state.appointments import Appointment
from infra.state.errors import StateBusy
from infra.state.expenses import Expense
from infra.state.ledger import Balance, Entry
from infra.state.notes import Note
from infra.state.port import State, Transaction
from infra.state.scope import Scope
from pipeline import state_desk
from pipeline.state_desk import (
    ANSWER_MAX_BYTES,
    APPOINTMENTS,
    EXPENSES,
    FRIENDS,
    HISTORY,
    LEDGER,
    NOTES,
    OWNER,
    PAGE_MAX,
    REMINDERS,
    SUMMARY,
    Kind,
    Page,
    Question,
    StateDesk,
    StateNotAsked,
    ask_state,
)
from schemas.errors import InvalidField
from schemas.event import Event, Fact, Meta
from schemas.intake import TextSubmitted

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ANN, BOB = Scope("local", "live", "ann"), Scope("local", "live", "bob")
ROWS = 7


@pytest.fixture
async def asked(bus: Bus, state: State, clock: SetClock) -> AsyncIterator[Bus]:
    """A bus on which a desk answers."""
    StateDesk(state, clock).answer_on(bus)
    await bus.start_answering()
    yield bus


def of(scope: Scope = ANN, **what: Any) -> Question:
    return Question(user=scope.user, tenant=scope.tenant, **what)


def meta(scope: Scope = ANN, conversation: str | None = None) -> Meta:
    turn = new_id()
    told = {"conversation": conversation or new_id(), "turn": turn, "user": scope.user, "time": NOON}
    return Meta(id=turn, type="TextSubmitted", number=1, **told)  # type: ignore[arg-type]


async def filled(tx: Transaction, scope: Scope) -> None:
    """As many of everything, all at equal times, so that only ids tell them apart."""
    for number in range(ROWS):
        key = f"{scope.user}-{number}"
        await history.record(tx, meta(scope), f"q{number}", f"a{number}", NOON)
        await reminders.add(tx, reminders.made_from(meta(scope), f"r-{key}", f"title {key}", NOON), NOON)
        await notes.add(tx, scope, Note(f"n-{key}", f"note {key}", NOON))
        await ledger.add(tx, scope, Entry(f"l-{key}", "Cem", "cem", 100, "EUR", None, NOON))
        await expenses.add(tx, scope, Expense(f"e-{key}", 250, "EUR", "lunch", NOON, NOON))
        later = NOON + timedelta(hours=1)
        await appointments.add(tx, scope, Appointment(f"a-{key}", f"meeting {key}", NOON, later, False, NOON))
        await friends.add(tx, scope, f"Friend {key}", f"friend {key}", NOON)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (HISTORY, "turn"),
        (REMINDERS, "id"),
        (NOTES, "id"),
        (LEDGER, "id"),
        (EXPENSES, "id"),
        (APPOINTMENTS, "id"),
        (FRIENDS, "name_key"),
    ],
    ids=lambda told: told.what if isinstance(told, Kind) else "",
)
async def test_pages_lead_through_all_of_a_user_s_own_once(asked: Bus, state: State, kind: Kind[Any], key: str) -> None:
    async with state.transaction() as tx:
        await filled(tx, ANN)
        await filled(tx, BOB)

    seen: list[str] = []
    sizes: list[int] = []
    cursor: str | None = None
    while cursor is not None or not sizes:
        answer = await ask_state(asked, kind, of(limit=3, cursor=cursor))
        page: Page[Any] = answer.entries if kind is LEDGER else answer
        seen += [getattr(row, key) for row in page.rows]
        sizes.append(len(page.rows))
        cursor = page.next

    assert sizes == [3, 3, 1]
    assert len(set(seen)) == ROWS
    if kind is not HISTORY:
        assert all("ann" in each for each in seen)


async def test_a_page_that_ends_with_the_last_row_has_no_next(asked: Bus, state: State) -> None:
    async with state.transaction() as tx:
        await filled(tx, ANN)

    assert (await ask_state(asked, NOTES, of(limit=ROWS))).next is None


async def test_history_of_one_conversation_only(asked: Bus, state: State) -> None:
    wanted = new_id()
    async with state.transaction() as tx:
        await filled(tx, ANN)
        await history.record(tx, meta(ANN, wanted), "here", "there", NOON)

    page = await ask_state(asked, HISTORY, of(conversation=wanted))

    assert [(said.user, said.reply, said.conversation) for said in page.rows] == [("here", "there", wanted)]


async def test_a_summary_counts_what_is_kept_and_tells_the_last_turn(asked: Bus, state: State) -> None:
    assert (await ask_state(asked, SUMMARY, of())).last is None
    conversation = new_id()
    async with state.transaction() as tx:
        for minute in range(3):
            told = meta(ANN, conversation if minute else None)
            await history.record(tx, told, f"q{minute}", "a", NOON + timedelta(minutes=minute))

    summary = await ask_state(asked, SUMMARY, of())

    assert (summary.extent.turns, summary.extent.conversations) == (3, 2)
    assert (summary.extent.first_at, summary.extent.last_at) == (NOON, NOON + timedelta(minutes=2))
    assert summary.last is not None
    assert summary.last.user == "q2"


async def test_what_is_over_is_no_longer_told(asked: Bus, state: State, clock: SetClock) -> None:
    async with state.transaction() as tx:
        await filled(tx, ANN)
        await reminders.cancel(tx, "r-ann-0", NOON)

    assert len((await ask_state(asked, REMINDERS, of())).rows) == ROWS - 1
    clock.at = NOON + timedelta(hours=1)
    assert (await ask_state(asked, APPOINTMENTS, of())).rows == ()


async def test_balances_stand_beside_the_entries(asked: Bus, state: State) -> None:
    async with state.transaction() as tx:
        await filled(tx, ANN)

    told = await ask_state(asked, LEDGER, of(limit=1))

    assert told.balances == (Balance("Cem", "cem", 100 * ROWS, "EUR"),)


async def test_a_conversation_belongs_to_whoever_began_it(asked: Bus, state: State) -> None:
    told = meta(ANN)
    async with state.transaction() as tx:
        await turns.insert(tx, Event[Fact].first(TextSubmitted(text="mine"), told), "completed", NOON)

    assert await ask_state(asked, OWNER, of(BOB, conversation=told.conversation)) == "ann"
    assert await ask_state(asked, OWNER, of(BOB, conversation=new_id())) is None
    with pytest.raises(InvalidField, match="conversation"):
        await ask_state(asked, OWNER, of(BOB))


async def test_a_page_that_does_not_fit_into_a_message_ends_earlier(asked: Bus, state: State) -> None:
    reply = "ß" * 20_000
    async with state.transaction() as tx:
        for _ in range(PAGE_MAX):
            await history.record(tx, meta(), "tell me all", reply, NOON)

    seen: set[str] = set()
    cursor: str | None = None
    while cursor is not None or not seen:
        page = await ask_state(asked, HISTORY, of(limit=PAGE_MAX, cursor=cursor))
        assert 0 < len(page.rows) * len(reply.encode()) < ANSWER_MAX_BYTES
        seen |= {said.turn for said in page.rows}
        cursor = page.next
    assert len(seen) == PAGE_MAX


def cursor_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "!!!!", "ä", cursor_of(), cursor_of("2026"), cursor_of("yesterday", "id"), cursor_of(1, 2)),
        *(cursor_of("0001-01-01T00:00:00+23:00", "id"), cursor_of("2026-11-20T12:00:00+00:00", "\ud800")),
        base64.urlsafe_b64encode(b"[" * 200).decode(),
    ],
)
async def test_a_cursor_that_is_none_is_refused(asked: Bus, cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await ask_state(asked, NOTES, of(cursor=cursor))

    assert refused.value.field == "cursor"
    assert "`next`" in refused.value.expected


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"hello", "event"),
        (b'{"what": "secrets", "question": {"user": "ann", "tenant": "local"}}', "what"),
        (b'{"what": "notes", "question": {"user": "a.b", "tenant": "local"}}', "question.user"),
        (b'{"what": "notes", "question": {"user": "ann", "tenant": "local", "limit": 101}}', "question.limit"),
    ],
)
async def test_what_is_no_question_is_refused(state: State, clock: SetClock, payload: bytes, field: str) -> None:
    answer = json.loads(await StateDesk(state, clock).answer(payload))

    assert answer["error"]["field"] == field


async def test_a_state_that_cannot_be_read_is_told_as_such(bus: Bus, clock: SetClock) -> None:
    class Busy:
        def transaction(self) -> Any:
            raise StateBusy("another process holds the lock")

    StateDesk(Busy(), clock).answer_on(bus)  # type: ignore[arg-type]  # the one part of a state that is asked
    await bus.start_answering()

    with pytest.raises(StateNotAsked, match="holds the lock"):
        await ask_state(bus, NOTES, of())


async def test_without_a_keeper_the_asker_is_told_at_once(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_desk, "ASK_TIMEOUT_S", 60.0)

    with pytest.raises(BusUnavailable, match="no responders"):
        await ask_state(bus, NOTES, of())
