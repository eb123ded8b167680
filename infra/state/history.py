"""What was said and answered, turn by turn. The keeper writes it as it ends a turn; the router hands it to chat."""

from dataclasses import dataclass
from datetime import datetime

from infra.state.port import Transaction
from infra.state.row import Row
from infra.state.scope import WHOSE, Scope
from schemas.event import Meta

PAGE_MAX = 500  # rows that one question returns at the most
_COLUMNS = "conversation, turn, number, user_text, reply, said_at"


@dataclass(frozen=True, slots=True)
class Said:
    """One turn. `reply` is what was spoken of it when it was interrupted."""

    conversation: str
    turn: str
    number: int
    user: str
    reply: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """How much history there is."""

    turns: int
    conversations: int
    first_at: datetime | None  # None: there is none
    last_at: datetime | None


async def record(tx: Transaction, meta: Meta, user: str, reply: str, time: datetime) -> None:
    """Write down the turn that `meta` names; a second record of it replaces the first."""
    await tx.execute(
        'INSERT INTO history (tenant, run, "user", conversation, turn, number, user_text, reply, said_at) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, run, turn) "
        "DO UPDATE SET user_text = excluded.user_text, reply = excluded.reply, said_at = excluded.said_at",
        *(meta.tenant, meta.run, meta.user, meta.conversation, meta.turn, meta.number, user, reply, time),
    )


async def correct(tx: Transaction, meta: Meta, reply: str) -> None:
    """Of the reply to the turn that `meta` names no more than this was heard; of nothing heard nothing is kept."""
    turn = (meta.tenant, meta.run, meta.turn)
    where = "tenant = ? AND run = ? AND turn = ?"
    if reply:
        await tx.execute(f"UPDATE history SET reply = ? WHERE {where}", reply, *turn)
    else:
        await tx.execute(f"DELETE FROM history WHERE {where}", *turn)


async def recent(tx: Transaction, scope: Scope, conversation: str, before: int, limit: int) -> list[Said]:
    """The newest `limit` turns that this user had in the conversation before turn number `before`, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM history WHERE {WHOSE} AND conversation = ? AND number < ? "
        "ORDER BY number DESC LIMIT ?",
        *(*scope.key, conversation, before, min(limit, PAGE_MAX)),
    )
    return [_said(row) for row in reversed(rows)]


async def page(
    tx: Transaction, scope: Scope, after: tuple[datetime, str] | None, limit: int, conversation: str | None = None
) -> list[Said]:
    """All that a user said and heard, newest first, or only that of a conversation.

    Go on with `after=(last.time, last.turn)` of the page before.
    """
    only, named = ("", ()) if conversation is None else (" AND conversation = ?", (conversation,))
    beyond, values = ("", ()) if after is None else (" AND (said_at, turn) < (?, ?)", after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM history WHERE {WHOSE}{only}{beyond} ORDER BY said_at DESC, turn DESC LIMIT ?",
        *(*scope.key, *named, *values, min(limit, PAGE_MAX)),
    )
    return [_said(row) for row in rows]


async def extent(tx: Transaction, scope: Scope) -> Extent:
    """How much of a user's is kept."""
    row = await tx.first(
        "SELECT COUNT(*) AS turns, COUNT(DISTINCT conversation) AS conversations, MIN(said_at) AS first_at, "
        f"MAX(said_at) AS last_at FROM history WHERE {WHOSE}",
        *scope.key,
    )
    assert row is not None  # an aggregate without groups has one
    return Extent(
        row.whole("turns"), row.whole("conversations"), row.maybe_moment("first_at"), row.maybe_moment("last_at")
    )


async def shorten(tx: Transaction, scope: Scope, conversation: str, before: int) -> None:
    """Forget the turns of a conversation before turn number `before`."""
    await tx.execute(
        f"DELETE FROM history WHERE {WHOSE} AND conversation = ? AND number < ?", *scope.key, conversation, before
    )


async def forget(tx: Transaction, scope: Scope, conversation: str | None = None) -> int:
    """Delete a user's history, or one conversation of it; how many turns went."""
    if conversation is None:
        return await tx.execute(f"DELETE FROM history WHERE {WHOSE}", *scope.key)
    return await tx.execute(f"DELETE FROM history WHERE {WHOSE} AND conversation = ?", *scope.key, conversation)


def _said(row: Row) -> Said:
    return Said(
        conversation=row.text("conversation"),
        turn=row.text("turn"),
        number=row.whole("number"),
        user=row.text("user_text"),
        reply=row.text("reply"),
        time=row.moment("said_at"),
    )
