"""The port to the state: transactions, and the handling of an event exactly once.

Repositories beside this file take a Transaction and know no database. Their SQL keeps to what SQLite and Postgres
share: `?` for values, ON CONFLICT, RETURNING, no functions of one of them.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from infra.state.row import Row, Value
from schemas.event import Event, Fact


class Transaction(Protocol):
    """Statements that take effect together or not at all. Dead once its block has ended."""

    async def execute(self, sql: str, *values: Value) -> int:
        """Run one statement; how many rows it changed. Raises StateError."""

    async def fetch(self, sql: str, *values: Value) -> list[Row]:
        """Run one query; all its rows (so name a LIMIT). Raises StateError."""

    async def first(self, sql: str, *values: Value) -> Row | None:
        """Run one query; its first row, if there is one. Raises StateError."""


class Unit(Protocol):
    """The handling of one step of one event, in one transaction."""

    @property
    def tx(self) -> Transaction:
        """Where the effect goes: committed with the note that the step was handled, or not at all."""

    @property
    def now(self) -> datetime:
        """When this handling began."""

    @property
    def done(self) -> tuple[Event[Fact], ...] | None:
        """What was said when this step was handled before; None when it was not, and the effect is due now."""

    def say(self, fact: Fact, index: int) -> Event[Fact]:
        """Compose the event that follows as the `index`-th, and record its bytes.

        Publish it after the block has ended. Raises InvalidField (larger than an event may be).
        """

    def leave_unmarked(self) -> None:
        """Nothing was done: do not note the step as handled. A redelivery looks again."""


class State(Protocol):
    """The state as one process holds it open."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits when the block ends, rolls back when it raises; serialised in this process and between processes.

        Raises StateError; StateMisused when a task opens a second one inside its first.
        """

    def handling(self, event: Event[Any], step: str, stage: str = "router") -> AbstractAsyncContextManager[Unit]:
        """Handle `step` of `event` once, whatever happens: see Unit. `stage` is who says the events.

        Raises TurnOver when the event's turn has ended and the step was not handled before, and StateError.
        """

    async def check(self, within_s: float) -> None:
        """Look for `within_s` at most whether all is still as it was written.

        Raises StateCorrupt when it is damaged, or is no longer the one that was opened.
        """
