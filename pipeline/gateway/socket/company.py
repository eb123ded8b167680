"""All sessions of this gateway: who is connected, so that each hears the reminders of its user."""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from infra.bus.connection import Bus
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.ids import LIVE_RUN
from schemas.socket import told
from schemas.tasks import ReminderDue

if TYPE_CHECKING:
    from pipeline.gateway.socket.session import Session

KNOWN: Final = 1_000  # reminders that were told: one that is published again is heard again


class Company:
    """The sessions, by user."""

    def __init__(self) -> None:
        self._sessions: defaultdict[str, set[Session]] = defaultdict(set)
        self._telling: set[asyncio.Task[None]] = set()
        self._told: deque[str] = deque(maxlen=KNOWN)

    async def listen(self, bus: Bus) -> None:
        """Hear of reminders from now on."""
        await bus.listen(subjects.every(ReminderDue.token, LIVE_RUN), self._remind)

    @contextmanager
    def joined(self, user: str, session: "Session") -> Iterator[None]:
        """One session, as long as the block."""
        self._sessions[user].add(session)
        try:
            yield
        finally:
            self._sessions[user].discard(session)
            if not self._sessions[user]:
                del self._sessions[user]

    def __len__(self) -> int:
        return sum(len(sessions) for sessions in self._sessions.values())

    async def _remind(self, subject: str, payload: bytes) -> None:
        with contextlib.suppress(SchemaError):
            event = arrived(subject, payload, ReminderDue.__name__)
            if not isinstance(event.fact, ReminderDue) or event.meta.id in self._told:
                return
            self._told.append(event.meta.id)
            fact = event.fact
            message = told.Reminder(id=event.meta.id, message=fact.message, due_at=fact.due_at)
            for session in tuple(self._sessions.get(event.meta.user, ())):
                telling = asyncio.create_task(session.tell(message))  # one who reads slowly holds up nobody else
                self._telling.add(telling)
                telling.add_done_callback(self._telling.discard)
