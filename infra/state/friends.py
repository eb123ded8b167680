"""A user's friends, by name: one of each."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.scope import WHOSE, Scope


@dataclass(frozen=True, slots=True)
class Friend:
    """One friend."""

    name: str
    name_key: str  # folded
    created_at: datetime


async def add(tx: Transaction, scope: Scope, name: str, name_key: str, now: datetime) -> bool:
    """Write a friend; False when one of that (folded) name is there already."""
    added = await tx.execute(
        'INSERT INTO friends (tenant, run, "user", name_key, name, created_at) VALUES (?, ?, ?, ?, ?, ?) '
        'ON CONFLICT (tenant, run, "user", name_key) DO NOTHING',
        *(*scope.key, name_key, name, now),
    )
    return added == 1


async def named(tx: Transaction, scope: Scope, name_key: str) -> str | None:
    """The friend's name as it was first given, if there is one."""
    row = await tx.first(f"SELECT name FROM friends WHERE {WHOSE} AND name_key = ?", *scope.key, name_key)
    return None if row is None else row.text("name")


async def by_name(tx: Transaction, scope: Scope, after: str | None, limit: int) -> list[Friend]:
    """All friends by their folded names; go on with `after=last.name_key`."""
    rows = await tx.fetch(
        f"SELECT name, name_key, created_at FROM friends WHERE {WHOSE} AND name_key > ? ORDER BY name_key LIMIT ?",
        *(*scope.key, after or "", limit),
    )
    return [Friend(row.text("name"), row.text("name_key"), row.moment("created_at")) for row in rows]
