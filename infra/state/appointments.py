"""What stands in a user's calendar, and what overlaps with a span of time."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.row import Row
from infra.state.scope import WHOSE, Scope

_COLUMNS = "id, title, starts_at, ends_at, all_day, created_at"


@dataclass(frozen=True, slots=True)
class Appointment:
    """One event in the calendar: the span [starts_at, ends_at)."""

    id: str
    title: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool
    created_at: datetime


async def add(tx: Transaction, scope: Scope, appointment: Appointment) -> None:
    """Write a new appointment."""
    a = appointment
    await tx.execute(
        'INSERT INTO appointments (tenant, run, "user", id, title, starts_at, ends_at, all_day, created_at) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(*scope.key, a.id, a.title, a.starts_at, a.ends_at, int(a.all_day), a.created_at),
    )


async def overlapping(
    tx: Transaction, scope: Scope, starts_at: datetime, ends_at: datetime, limit: int
) -> list[Appointment]:
    """What shares a moment with the span [starts_at, ends_at), the earliest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM appointments WHERE {WHOSE} "
        "AND starts_at < ? AND ends_at > ? ORDER BY starts_at, id LIMIT ?",
        *(*scope.key, ends_at, starts_at, limit),
    )
    return [_appointment(row) for row in rows]


async def not_over(
    tx: Transaction, scope: Scope, now: datetime, after: tuple[datetime, str] | None, limit: int
) -> list[Appointment]:
    """What goes on or comes, the earliest first; go on with `after=(last.starts_at, last.id)`."""
    beyond, values = ("", ()) if after is None else (" AND (starts_at, id) > (?, ?)", after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM appointments WHERE {WHOSE} AND ends_at > ?{beyond} ORDER BY starts_at, id LIMIT ?",
        *(*scope.key, now, *values, limit),
    )
    return [_appointment(row) for row in rows]


def _appointment(row: Row) -> Appointment:
    return Appointment(
        id=row.text("id"),
        title=row.text("title"),
        starts_at=row.moment("starts_at"),
        ends_at=row.moment("ends_at"),
        all_day=row.flag("all_day"),
        created_at=row.moment("created_at"),
    )
