"""Notes: texts that a user keeps."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.scope import WHOSE, Scope


@dataclass(frozen=True, slots=True)
class Note:
    """One note."""

    id: str
    text: str
    created_at: datetime


async def add(tx: Transaction, scope: Scope, note: Note) -> None:
    """Write a new note."""
    await tx.execute(
        'INSERT INTO notes (tenant, run, "user", id, text, created_at) VALUES (?, ?, ?, ?, ?, ?)',
        *(*scope.key, note.id, note.text, note.created_at),
    )


async def newest(
    tx: Transaction,
    scope: Scope,
    limit: int,
    between: tuple[datetime, datetime] | None = None,
    after: tuple[datetime, str] | None = None,
) -> list[Note]:
    """The user's newest notes, newest first; only those of a span [from, to) when one is named.

    Go on with `after=(last.created_at, last.id)`.
    """
    span, times = ("", ()) if between is None else (" AND created_at >= ? AND created_at < ?", between)
    beyond, values = ("", ()) if after is None else (" AND (created_at, id) < (?, ?)", after)
    rows = await tx.fetch(
        f"SELECT id, text, created_at FROM notes WHERE {WHOSE}{span}{beyond} ORDER BY created_at DESC, id DESC LIMIT ?",
        *(*scope.key, *times, *values, limit),
    )
    return [Note(row.text("id"), row.text("text"), row.moment("created_at")) for row in rows]
