"""One transaction on the turns' books, and the words that came of it: what is to be published, and what before it."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from infra.state import outbox
from infra.state.outbox import Outgoing
from infra.state.port import Transaction
from schemas.event import Event, Fact

UNPUBLISHED_MAX: Final = 100  # events of one conversation that are published before a new one


@dataclass(slots=True)
class Words:
    """What was written, and is to be published, because of one event."""

    said: list[Event[Fact]] = field(default_factory=list)
    unpublished: list[Outgoing] = field(default_factory=list)
    """All of those conversations' that nobody has noted as published: these, and what was written before them."""
    accepted: dict[str, datetime] = field(default_factory=dict)
    """When the turns that are opened here were accepted."""
    since_s: float = field(default_factory=time.monotonic)
    """When the books were opened for them."""

    async def read_unpublished(self, tx: Transaction) -> None:
        """In the transaction that wrote the words, not in one of its own: all new turns wait for such transactions."""
        for conversation in dict.fromkeys(event.meta.conversation for event in self.said):
            self.unpublished += await outbox.pending_of(tx, conversation, UNPUBLISHED_MAX)


class Books:
    """A transaction that remembers what was said in it."""

    def __init__(self, tx: Transaction) -> None:
        self.execute, self.fetch, self.first = tx.execute, tx.fetch, tx.first
        self.words = Words()
