"""Lets processes be seen: each answers "who is there?" with what it is, whether it is ready, and what it has done."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from infra.bus.connection import Bus

SUBJECT: Final = "parley.presence"
WAIT_S: Final = 0.5  # for the slowest answer: a loaded process on a busy machine


@dataclass(frozen=True, slots=True)
class Present:
    """One process that answered."""

    name: str
    pid: int
    since: str
    ready: bool
    counts: Mapping[str, int] = field(default_factory=dict)


class Presence:
    """This process's answer."""

    def __init__(self, name: str, since: datetime, counts: Callable[[], Mapping[str, int]]) -> None:
        self._name = name
        self._since = since
        self._counts = counts
        self.ready = False

    async def announce(self, bus: Bus) -> None:
        """Answer from now on."""

        def told() -> bytes:
            present = Present(self._name, os.getpid(), self._since.isoformat(), self.ready, dict(self._counts()))
            return json.dumps(asdict(present)).encode()

        await bus.answer_polls(SUBJECT, told)


async def who_is_there(bus: Bus, wait_s: float = WAIT_S) -> list[Present]:
    """All processes that answer within `wait_s`, by name."""
    found = [Present(**json.loads(answer)) for answer in await bus.poll(SUBJECT, wait_s=wait_s)]
    return sorted(found, key=lambda present: (present.name, present.pid))
