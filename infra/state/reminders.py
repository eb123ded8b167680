"""Reminders: open until announced or cancelled. Knows nothing of how they are said."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from infra.state.port import Transaction
from infra.state.row import Row
from infra.state.scope import WHOSE, Scope
from schemas.event import Meta

_COLUMNS: Final = 'id, tenant, run, "user", conversation, turn, number, time_zone, speech, title, due_at, moved'
_OPEN: Final = "announced_at IS NULL AND cancelled_at IS NULL"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder, with what its announcement needs of the turn that created it."""

    id: str
    tenant: str
    run: str
    user: str
    conversation: str
    turn: str
    number: int
    time_zone: str
    speech: bool
    title: str
    due_at: datetime
    moved: int = 0  # how often it was given another time


async def add(tx: Transaction, reminder: Reminder, now: datetime) -> None:
    """Write a new reminder."""
    r = reminder
    await tx.execute(
        f"INSERT INTO reminders ({_COLUMNS}, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(r.id, r.tenant, r.run, r.user, r.conversation, r.turn, r.number, r.time_zone, int(r.speech)),
        *(r.title, r.due_at, r.moved, now),
    )


def made_from(meta: Meta, reminder_id: str, title: str, due_at: datetime) -> Reminder:
    """A reminder that belongs to the turn that `meta` names."""
    return Reminder(
        id=reminder_id,
        tenant=meta.tenant,
        run=meta.run,
        user=meta.user,
        conversation=meta.conversation,
        turn=meta.turn,
        number=meta.number,
        time_zone=meta.time_zone,
        speech=meta.speech,
        title=title,
        due_at=due_at,
    )


async def open_ones(
    tx: Transaction, scope: Scope, limit: int, after: tuple[datetime, str] | None = None
) -> list[Reminder]:
    """The user's open reminders, the next one first; go on with `after=(last.due_at, last.id)`."""
    beyond, values = ("", ()) if after is None else (" AND (due_at, id) > (?, ?)", after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM reminders WHERE {WHOSE} AND {_OPEN}{beyond} ORDER BY due_at, id LIMIT ?",
        *(*scope.key, *values, limit),
    )
    return [_reminder(row) for row in rows]


async def last_announced(tx: Transaction, scope: Scope, since: datetime) -> Reminder | None:
    """The one announced most recently, not before `since`: what "snooze" is about."""
    row = await tx.first(
        f"SELECT {_COLUMNS} FROM reminders WHERE {WHOSE} AND announced_at >= ? AND cancelled_at IS NULL "
        "ORDER BY announced_at DESC LIMIT 1",
        *(*scope.key, since),
    )
    return None if row is None else _reminder(row)


async def change(tx: Transaction, reminder_id: str, title: str, due_at: datetime) -> None:
    """Give a reminder a title and a time; with another time it is open again."""
    await tx.execute(
        "UPDATE reminders SET title = ?, moved = moved + CASE WHEN due_at <> ? THEN 1 ELSE 0 END, "
        "announced_at = CASE WHEN due_at <> ? THEN NULL ELSE announced_at END, due_at = ? WHERE id = ?",
        *(title, due_at, due_at, due_at, reminder_id),
    )


async def cancel(tx: Transaction, reminder_id: str, now: datetime) -> None:
    """Cancel one reminder."""
    await tx.execute(f"UPDATE reminders SET cancelled_at = ? WHERE id = ? AND {_OPEN}", now, reminder_id)


async def claim_due(tx: Transaction, run: str, now: datetime, limit: int) -> list[Reminder]:
    """Mark up to `limit` open reminders of a run whose time has come as announced, and return them, oldest first."""
    rows = await tx.fetch(
        "UPDATE reminders SET announced_at = ? WHERE id IN "
        f"(SELECT id FROM reminders WHERE run = ? AND due_at <= ? AND {_OPEN} ORDER BY due_at, id LIMIT ?) "
        f"RETURNING {_COLUMNS}",
        *(now, run, now, limit),
    )
    return sorted((_reminder(row) for row in rows), key=lambda reminder: (reminder.due_at, reminder.id))


async def next_due(tx: Transaction, run: str) -> datetime | None:
    """When the next open reminder of a run is due, so that nobody needs to look before."""
    row = await tx.first(f"SELECT min(due_at) AS due_at FROM reminders WHERE run = ? AND {_OPEN}", run)
    return None if row is None else row.maybe_moment("due_at")


def _reminder(row: Row) -> Reminder:
    return Reminder(
        id=row.text("id"),
        tenant=row.text("tenant"),
        run=row.text("run"),
        user=row.text("user"),
        conversation=row.text("conversation"),
        turn=row.text("turn"),
        number=row.whole("number"),
        time_zone=row.text("time_zone"),
        speech=row.flag("speech"),
        title=row.text("title"),
        due_at=row.moment("due_at"),
        moved=row.whole("moved"),
    )
