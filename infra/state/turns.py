"""The turn keeper's books: which turns were accepted, which is open, and what is known of its reply.

Knows no rules: when a turn opens or ends is the keeper's business.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from infra.state.port import Transaction
from infra.state.row import Row
from schemas.event import Event, Fact, Meta

Status = Literal["waiting", "open", "completed", "failed", "interrupted"]
KEPT_FOR = timedelta(days=7)  # ended turns, so that a submission that comes again is known
OPEN_MAX = 2_000  # turns that are told at once
_TURN = "tenant = ? AND run = ? AND turn = ?"
_COLUMNS = "turn, conversation, number, status, submission, speech, accepted_at, deadline, asked, reply, sentences"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as the books have it."""

    turn: str
    conversation: str
    number: int
    status: str
    submission: bytes
    speech: bool
    accepted_at: datetime
    deadline: datetime | None
    asked: str | None
    reply: str | None
    sentences: int | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a reply; `audio_s` is None until it was spoken."""

    place: int
    text: str
    audio_s: float | None


async def find(tx: Transaction, meta: Meta) -> Turn | None:
    """The turn that `meta` names."""
    row = await tx.first(f"SELECT {_COLUMNS} FROM turns WHERE {_TURN}", *_key(meta))
    return _turn(row) if row else None


async def owner(tx: Transaction, tenant: str, run: str, conversation: str) -> str | None:
    """Whose a conversation is: of whoever had its oldest turn that the books have, which always keep the newest one."""
    row = await tx.first(
        'SELECT "user" FROM turns WHERE tenant = ? AND run = ? AND conversation = ? ORDER BY number LIMIT 1',
        *(tenant, run, conversation),
    )
    return row.text("user") if row else None


async def insert(tx: Transaction, event: Event[Fact], status: Status, now: datetime) -> int:
    """Write down an accepted turn under the conversation's next number, which is returned."""
    meta = event.meta
    row = await tx.first(
        'INSERT INTO turns (tenant, run, turn, conversation, "user", number, status, submission, speech, accepted_at) '
        "SELECT ?, ?, ?, ?, ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ? FROM turns "
        "WHERE tenant = ? AND run = ? AND conversation = ? RETURNING number",
        *(*_key(meta), meta.conversation, meta.user, status, event.encoded(), int(meta.speech), now),
        *(meta.tenant, meta.run, meta.conversation),
    )
    assert row is not None  # an INSERT without a conflict returns its row
    return row.whole("number")


async def refuse(tx: Transaction, meta: Meta) -> None:
    """The turn is not taken, and does not count among those that its user has had."""
    await tx.execute(f"UPDATE turns SET refused = 1 WHERE {_TURN}", *_key(meta))


async def taken_at(tx: Transaction, meta: Meta, back: int) -> datetime | None:
    """When the user's `back`-th newest turn (from 1) of this run was accepted; None when there are fewer."""
    row = await tx.first(
        'SELECT accepted_at FROM turns WHERE tenant = ? AND run = ? AND "user" = ? AND refused = 0 '
        "ORDER BY accepted_at DESC LIMIT 1 OFFSET ?",
        *(meta.tenant, meta.run, meta.user, back - 1),
    )
    return row.moment("accepted_at") if row else None


async def waiting(tx: Transaction, meta: Meta) -> int:
    """How many turns of the conversation wait to be opened."""
    row = await tx.first(
        "SELECT COUNT(*) AS n FROM turns WHERE tenant = ? AND run = ? AND conversation = ? AND status = 'waiting'",
        *(meta.tenant, meta.run, meta.conversation),
    )
    return row.whole("n") if row else 0


async def opened(tx: Transaction, meta: Meta) -> Turn | None:
    """The conversation's open turn."""
    return await _in_conversation(tx, meta, "open")


async def next_waiting(tx: Transaction, meta: Meta) -> Turn | None:
    """The conversation's oldest turn that waits."""
    return await _in_conversation(tx, meta, "waiting")


async def is_over(tx: Transaction, meta: Meta) -> bool:
    """Whether the turn has ended; one that is not in the books (a stage on its own) has not."""
    row = await tx.first(f"SELECT status FROM turns WHERE {_TURN}", *_key(meta))
    return row is not None and row.text("status") not in ("waiting", "open")


async def overdue(tx: Transaction, now: datetime, limit: int) -> list[Turn]:
    """Open turns whose deadline has passed."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM turns WHERE status = 'open' AND deadline <= ? ORDER BY deadline LIMIT ?", now, limit
    )
    return [_turn(row) for row in rows]


async def shorten(tx: Transaction, latest: datetime) -> int:
    """Bring deadlines beyond `latest` forward to it: the clock has been put back since. How many there were."""
    return await tx.execute("UPDATE turns SET deadline = ? WHERE status = 'open' AND deadline > ?", latest, latest)


async def open_now(tx: Transaction) -> frozenset[str] | None:
    """All open turns, of whatever conversation; None when they are too many to be told."""
    rows = await tx.fetch("SELECT turn FROM turns WHERE status = 'open' LIMIT ?", OPEN_MAX + 1)
    return frozenset(row.text("turn") for row in rows) if len(rows) <= OPEN_MAX else None


async def set_open(tx: Transaction, meta: Meta, deadline: datetime) -> None:
    """The turn is open until `deadline`."""
    await tx.execute(f"UPDATE turns SET status = 'open', deadline = ? WHERE {_TURN}", deadline, *_key(meta))


async def set_ended(tx: Transaction, meta: Meta, status: Status) -> None:
    """The turn has ended."""
    await tx.execute(f"UPDATE turns SET status = ? WHERE {_TURN}", status, *_key(meta))


async def set_reply(tx: Transaction, meta: Meta, asked: str, reply: str, sentences: int) -> None:
    """The whole reply is known."""
    await tx.execute(
        f"UPDATE turns SET asked = ?, reply = ?, sentences = ? WHERE {_TURN}", asked, reply, sentences, *_key(meta)
    )


async def set_sentence(tx: Transaction, meta: Meta, place: int, text: str, audio_s: float | None) -> None:
    """A sentence was chosen (`audio_s` None) or spoken; once spoken it stays so."""
    await tx.execute(
        "INSERT INTO sentences (tenant, run, turn, place, text, audio_ms) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (tenant, run, turn, place) "
        "DO UPDATE SET audio_ms = COALESCE(sentences.audio_ms, excluded.audio_ms)",
        *(*_key(meta), place, text, None if audio_s is None else round(audio_s * 1000)),
    )


async def sentences(tx: Transaction, meta: Meta) -> list[Sentence]:
    """What is known of the reply's sentences, in order."""
    rows = await tx.fetch(f"SELECT place, text, audio_ms FROM sentences WHERE {_TURN} ORDER BY place", *_key(meta))
    return [
        Sentence(
            row.whole("place"), row.text("text"), None if (ms := row.maybe_whole("audio_ms")) is None else ms / 1000
        )
        for row in rows
    ]


async def prune(tx: Transaction, now: datetime, limit: int = 500) -> int:
    """Forget turns that ended longer ago than KEPT_FOR, but never a conversation's newest: it has the numbers."""
    return await tx.execute(
        "DELETE FROM turns WHERE (tenant, run, turn) IN (SELECT tenant, run, turn FROM turns AS old WHERE "
        "accepted_at < ? AND status NOT IN ('waiting', 'open') AND number < (SELECT MAX(number) FROM turns AS newest "
        "WHERE newest.tenant = old.tenant AND newest.run = old.run AND newest.conversation = old.conversation) "
        "LIMIT ?)",
        *(now - KEPT_FOR, limit),
    )


async def _in_conversation(tx: Transaction, meta: Meta, status: Status) -> Turn | None:
    row = await tx.first(
        f"SELECT {_COLUMNS} FROM turns WHERE tenant = ? AND run = ? AND conversation = ? AND status = ? "
        "ORDER BY number LIMIT 1",
        *(meta.tenant, meta.run, meta.conversation, status),
    )
    return _turn(row) if row else None


def _key(meta: Meta) -> tuple[str, str, str]:
    return (meta.tenant, meta.run, meta.turn)


def _turn(row: Row) -> Turn:
    return Turn(
        turn=row.text("turn"),
        conversation=row.text("conversation"),
        number=row.whole("number"),
        status=row.text("status"),
        submission=row.blob("submission"),
        speech=row.flag("speech"),
        accepted_at=row.moment("accepted_at"),
        deadline=row.maybe_moment("deadline"),
        asked=row.maybe_text("asked"),
        reply=row.maybe_text("reply"),
        sentences=row.maybe_whole("sentences"),
    )
