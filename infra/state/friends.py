"""A user's friends, by name: one of each."""

from datetime import datetime

from infra.state.port import Transaction
from infra.state.scope import WHOSE, Scope


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
