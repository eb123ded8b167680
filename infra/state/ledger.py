"""Who owes whom: entries in whole minor units, and their sums. Positive means that the person owes the user."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.scope import WHOSE, Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One debt or repayment."""

    id: str
    person: str
    person_key: str  # folded: entries with the same key are one person's
    amount_minor: int
    currency: str
    purpose: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of a person's entries in one currency; never zero."""

    person: str
    person_key: str
    amount_minor: int
    currency: str


async def add(tx: Transaction, scope: Scope, entry: Entry) -> None:
    """Write a new entry."""
    await tx.execute(
        'INSERT INTO ledger (tenant, run, "user", id, person, person_key, amount_minor, currency, purpose, created_at) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(*scope.key, entry.id, entry.person, entry.person_key),
        *(entry.amount_minor, entry.currency, entry.purpose, entry.created_at),
    )


async def balances(tx: Transaction, scope: Scope, person_key: str | None = None, limit: int = 100) -> list[Balance]:
    """What is open, the largest sums first; of one person only when one is named."""
    whom, values = ("", ()) if person_key is None else (" AND person_key = ?", (person_key,))
    rows = await tx.fetch(
        "SELECT max(person) AS person, person_key, sum(amount_minor) AS amount_minor, currency FROM ledger "
        f"WHERE {WHOSE}{whom} GROUP BY person_key, currency HAVING sum(amount_minor) <> 0 "
        "ORDER BY abs(sum(amount_minor)) DESC, person_key LIMIT ?",
        *(*scope.key, *values, limit),
    )
    return [
        Balance(row.text("person"), row.text("person_key"), row.whole("amount_minor"), row.text("currency"))
        for row in rows
    ]


async def entries(tx: Transaction, scope: Scope, after: tuple[datetime, str] | None, limit: int) -> list[Entry]:
    """All debts and repayments, newest first; go on with `after=(last.created_at, last.id)`."""
    beyond, values = ("", ()) if after is None else (" AND (created_at, id) < (?, ?)", after)
    rows = await tx.fetch(
        "SELECT id, person, person_key, amount_minor, currency, purpose, created_at FROM ledger "
        f"WHERE {WHOSE}{beyond} ORDER BY created_at DESC, id DESC LIMIT ?",
        *(*scope.key, *values, limit),
    )
    return [
        Entry(
            id=row.text("id"),
            person=row.text("person"),
            person_key=row.text("person_key"),
            amount_minor=row.whole("amount_minor"),
            currency=row.text("currency"),
            purpose=row.maybe_text("purpose"),
            created_at=row.moment("created_at"),
        )
        for row in rows
    ]
