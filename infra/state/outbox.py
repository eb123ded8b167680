"""Events that no message causes (due reminders), written with the effect and published afterwards, at least once.

Does not publish; the bus drops a second copy by its id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.state.errors import StateCorrupt
from infra.state.port import Transaction
from infra.state.row import Row
from schemas.event import Event

KEPT_FOR = timedelta(days=7)  # published rows, for whoever asks what was announced
PRUNED_AT_ONCE = 2_000  # rows; the write lock is given back in between
_COLUMNS = "id, subject, headers, payload, created_at"
_IN_ORDER = "ORDER BY place, created_at, id"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message that waits to be published."""

    id: str
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    created_at: datetime


async def add(tx: Transaction, event: Event[Any], now: datetime, headers: Mapping[str, str] | None = None) -> bool:
    """Put an event in; one that is there already (by its id) stays as it is. Whether it is new."""
    added = await tx.execute(
        "INSERT INTO outbox (id, subject, headers, payload, created_at, place) "
        "SELECT ?, ?, ?, ?, ?, COALESCE(MAX(place), 0) + 1 FROM outbox WHERE true ON CONFLICT (id) DO NOTHING",
        *(event.meta.id, event.subject, json.dumps(dict(headers or {})), event.encoded(), now),
    )
    return added > 0


async def holds(tx: Transaction, event_id: str) -> bool:
    """Whether an event was put in before; known for KEPT_FOR after it was published."""
    return await tx.first("SELECT 1 AS there FROM outbox WHERE id = ?", event_id) is not None


async def pending(tx: Transaction, limit: int) -> list[Outgoing]:
    """The oldest messages that are not published yet, in the order in which they were written."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM outbox WHERE published_at IS NULL {_IN_ORDER} LIMIT ?", limit)
    return _read(rows)


async def pending_of(tx: Transaction, conversation: str, limit: int) -> list[Outgoing]:
    """Those of one conversation."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM outbox WHERE published_at IS NULL AND subject LIKE ? {_IN_ORDER} LIMIT ?",
        *(f"%.{conversation}.%", limit),
    )
    return _read(rows)


def _read(rows: Sequence[Row]) -> list[Outgoing]:
    return [
        Outgoing(
            id=row.text("id"),
            subject=row.text("subject"),
            headers=_headers(row.text("headers")),
            payload=row.blob("payload"),
            created_at=row.moment("created_at"),
        )
        for row in rows
    ]


async def published(tx: Transaction, ids: Sequence[str], now: datetime) -> int:
    """Note that the bus has acknowledged these; how many were still pending."""
    if not ids:
        return 0
    marks = ", ".join("?" * len(ids))
    return await tx.execute(
        f"UPDATE outbox SET published_at = ? WHERE published_at IS NULL AND id IN ({marks})", now, *ids
    )


async def prune(tx: Transaction, now: datetime) -> int:
    """Forget up to PRUNED_AT_ONCE messages that were published longer ago than KEPT_FOR; how many went."""
    return await tx.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE published_at < ? ORDER BY published_at LIMIT ?)",
        *(now - KEPT_FOR, PRUNED_AT_ONCE),
    )


def _headers(text: str) -> dict[str, str]:
    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict):
        raise StateCorrupt(f"outbox.headers holds {text[:80]!r}, expected a JSON object")
    return {str(name): str(value) for name, value in headers.items()}
