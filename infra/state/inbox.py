"""Handles a step of an event once: the effect, the note that it happened, and what was said are one transaction.

A redelivery is given the recorded events, byte for byte. Does not publish. Knows no database.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from infra.clock import Clock
from infra.state import turns
from infra.state.errors import StateMisused, TurnOver
from infra.state.port import State, Transaction, Unit
from schemas.catalogue import decode
from schemas.errors import InvalidField
from schemas.event import PAYLOAD_MAX_BYTES, Event, Fact

KEPT_FOR = timedelta(days=14)  # no message is redelivered later than this
STEPS_MAX = 100  # of one turn: an utterance has a few intents
PRUNED_AT_ONCE = 2_000  # rows; the write lock is given back in between
_SEPARATOR = b"\n"  # JSON as we write it holds none


@asynccontextmanager
async def handling(state: State, clock: Clock, event: Event[Any], step: str, stage: str) -> AsyncIterator[Unit]:
    """See State.handling. Two workers with the same message: the second waits and is given what the first said.

    That the turn goes on is looked up in the transaction of the effect: a worker that was held up, however long and
    wherever, cannot act for a turn that has ended, after the turn that followed it.
    """
    async with state.transaction() as tx:
        row = await tx.first("SELECT said FROM inbox WHERE event_id = ? AND step = ?", event.meta.id, step)
        if row is None and await turns.is_over(tx, event.meta):
            raise TurnOver(f"{event.meta.turn} has ended: {step} is not done any more")
        unit = _Unit(tx, event, stage, clock, None if row is None else _read(row.blob("said")))
        yield unit
        if unit.done is None and unit.marked:
            await tx.execute(
                'INSERT INTO inbox (event_id, step, tenant, "user", handled_at, said) VALUES (?, ?, ?, ?, ?, ?)',
                *(event.meta.id, step, event.meta.tenant, event.meta.user, unit.now, _SEPARATOR.join(unit.said)),
            )


async def said_in(tx: Transaction, turn: str) -> list[Event[Fact]]:
    """What was said by the steps of a turn that have taken effect, in their order."""
    rows = await tx.fetch(
        "SELECT said FROM inbox WHERE event_id > ? AND event_id < ? ORDER BY handled_at, event_id, step LIMIT ?",
        *(f"{turn}-", f"{turn}.", STEPS_MAX),  # an event's id begins with its turn's, and "." follows "-"
    )
    return [event for row in rows for event in _read(row.blob("said"))]


async def forget_turn(tx: Transaction, turn: str) -> None:
    """Forget the notes of one turn, whose messages will not come again."""
    await tx.execute("DELETE FROM inbox WHERE event_id > ? AND event_id < ?", f"{turn}-", f"{turn}.")


async def prune(tx: Transaction, now: datetime) -> int:
    """Forget up to PRUNED_AT_ONCE notes older than KEPT_FOR; how many went."""
    return await tx.execute(
        "DELETE FROM inbox WHERE (event_id, step) IN "
        "(SELECT event_id, step FROM inbox WHERE handled_at < ? ORDER BY handled_at LIMIT ?)",
        *(now - KEPT_FOR, PRUNED_AT_ONCE),
    )


class _Unit:
    """See Unit."""

    def __init__(
        self, tx: Transaction, event: Event[Any], stage: str, clock: Clock, done: tuple[Event[Fact], ...] | None
    ) -> None:
        self.tx = tx
        self.now = clock.now()
        self.done = done
        self.said: list[bytes] = []
        self.marked = True
        self._event = event
        self._stage = stage
        self._clock = clock

    def say(self, fact: Fact, index: int) -> Event[Fact]:
        if self.done is not None:
            raise StateMisused("this step was handled before: publish what `done` holds, say nothing new")
        # Said now, after the work: whoever hears it has waited from here on.
        event = self._event.following(self._stage, index, fact, self._clock.now())
        payload = event.encoded()
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise InvalidField(type(fact).__name__, f"{len(payload)} bytes", f"at most {PAYLOAD_MAX_BYTES} bytes")
        self.said.append(payload)
        return event

    def leave_unmarked(self) -> None:
        if self.said:
            raise StateMisused("something was said, so the step must be noted as handled")
        self.marked = False


def _read(said: bytes) -> tuple[Event[Fact], ...]:
    return tuple(decode(payload) for payload in said.split(_SEPARATOR)) if said else ()
