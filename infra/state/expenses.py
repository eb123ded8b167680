"""What a user spent, in whole minor units, and the sum over a span of time."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.scope import WHOSE, Scope


@dataclass(frozen=True, slots=True)
class Expense:
    """One expense."""

    id: str
    amount_minor: int
    currency: str
    purpose: str | None
    spent_at: datetime
    created_at: datetime


async def add(tx: Transaction, scope: Scope, expense: Expense) -> None:
    """Write a new expense."""
    await tx.execute(
        'INSERT INTO expenses (tenant, run, "user", id, amount_minor, currency, purpose, spent_at, created_at) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(*scope.key, expense.id, expense.amount_minor, expense.currency),
        *(expense.purpose, expense.spent_at, expense.created_at),
    )


async def total_minor(tx: Transaction, scope: Scope, currency: str, since: datetime, until: datetime) -> int:
    """The sum spent in one currency in the span [since, until)."""
    row = await tx.first(
        f"SELECT coalesce(sum(amount_minor), 0) AS total FROM expenses WHERE {WHOSE} AND currency = ? "
        "AND spent_at >= ? AND spent_at < ?",
        *(*scope.key, currency, since, until),
    )
    return 0 if row is None else row.whole("total")


async def newest(tx: Transaction, scope: Scope, after: tuple[datetime, str] | None, limit: int) -> list[Expense]:
    """What was spent, newest first; go on with `after=(last.spent_at, last.id)`."""
    beyond, values = ("", ()) if after is None else (" AND (spent_at, id) < (?, ?)", after)
    rows = await tx.fetch(
        "SELECT id, amount_minor, currency, purpose, spent_at, created_at FROM expenses "
        f"WHERE {WHOSE}{beyond} ORDER BY spent_at DESC, id DESC LIMIT ?",
        *(*scope.key, *values, limit),
    )
    return [
        Expense(
            id=row.text("id"),
            amount_minor=row.whole("amount_minor"),
            currency=row.text("currency"),
            purpose=row.maybe_text("purpose"),
            spent_at=row.moment("spent_at"),
            created_at=row.moment("created_at"),
        )
        for row in rows
    ]
