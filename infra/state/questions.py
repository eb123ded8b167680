"""What was asked back and waits for its answer: at most one question a conversation."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.state.errors import StateCorrupt
from infra.state.port import Transaction
from infra.state.row import Row
from infra.state.scope import WHOSE, Scope

KEPT_FOR = timedelta(minutes=10)  # after that nobody remembers what was asked
TURNS = 3  # a question that this many turns did not answer is dropped


@dataclass(frozen=True, slots=True)
class Question:
    """An open question. `intent` is the JSON of what is wanted, with what is known of it so far."""

    number: int  # of the turn that asked
    asked_at: datetime
    intent: str
    awaits: str
    text: str
    choices: tuple[str, ...] = ()


async def ask(tx: Transaction, scope: Scope, conversation: str, question: Question) -> None:
    """Remember a question; it takes the place of an older one."""
    q = question
    await tx.execute(
        'INSERT INTO questions (tenant, run, "user", conversation, number, asked_at, intent, awaits, question, choices)'
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, run, "user", conversation) DO UPDATE SET '
        "number = excluded.number, asked_at = excluded.asked_at, intent = excluded.intent, awaits = excluded.awaits, "
        "question = excluded.question, choices = excluded.choices",
        *(*scope.key, conversation, q.number, q.asked_at, q.intent, q.awaits, q.text, json.dumps(q.choices)),
    )


async def waiting(tx: Transaction, scope: Scope, conversation: str, number: int, now: datetime) -> Question | None:
    """The question that turn `number` may answer: asked by one of the TURNS turns before it, within KEPT_FOR."""
    row = await tx.first(
        f"SELECT number, asked_at, intent, awaits, question, choices FROM questions WHERE {WHOSE} "
        "AND conversation = ? AND number < ? AND number >= ? AND asked_at > ?",
        *(*scope.key, conversation, number, number - TURNS, now - KEPT_FOR),
    )
    return None if row is None else _read(row)


async def asked_by(tx: Transaction, scope: Scope, conversation: str, number: int) -> Question | None:
    """The question that turn `number` itself has asked."""
    row = await tx.first(
        f"SELECT number, asked_at, intent, awaits, question, choices FROM questions WHERE {WHOSE} "
        "AND conversation = ? AND number = ?",
        *(*scope.key, conversation, number),
    )
    return None if row is None else _read(row)


async def settle(tx: Transaction, scope: Scope, conversation: str) -> None:
    """Forget the conversation's question."""
    await tx.execute(f"DELETE FROM questions WHERE {WHOSE} AND conversation = ?", *scope.key, conversation)


async def forget(tx: Transaction, scope: Scope) -> None:
    """Forget all that a user was asked."""
    await tx.execute(f"DELETE FROM questions WHERE {WHOSE}", *scope.key)


async def prune(tx: Transaction, now: datetime) -> int:
    """Forget the questions that are too old to be answered; how many went."""
    return await tx.execute("DELETE FROM questions WHERE asked_at <= ?", now - KEPT_FOR)


def _read(row: Row) -> Question:
    return Question(
        number=row.whole("number"),
        asked_at=row.moment("asked_at"),
        intent=row.text("intent"),
        awaits=row.text("awaits"),
        text=row.text("question"),
        choices=_choices(row.text("choices")),
    )


def _choices(text: str) -> tuple[str, ...]:
    try:
        choices = json.loads(text)
    except ValueError:
        choices = None
    if not isinstance(choices, list):
        raise StateCorrupt(f"questions.choices holds {text[:80]!r}, expected a JSON array")
    return tuple(str(choice) for choice in choices)
