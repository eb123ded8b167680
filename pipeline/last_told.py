"""How far turns had come whose time is up, so that whoever wants to know where it went need not look for it."""

import contextlib
import time
from collections.abc import Sequence
from typing import Final

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE
from infra.bus.errors import BusUnavailable
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.event import Meta
from schemas.ids import TurnId

LOOK_UP_S: Final = 0.5  # for all together: ending them comes first


async def last_told(bus: Bus, overdue: Sequence[Meta]) -> dict[TurnId, str]:
    """What was told last of each, as an error: behind it somebody was too slow, or is gone.

    Which stage that is cannot be told from it: of several that hear an event some have nothing to say. Of those for
    whom there is no time, or no bus, nothing is told.
    """
    found: dict[TurnId, str] = {}
    since_s = time.monotonic()
    with contextlib.suppress(BusUnavailable):
        for meta in overdue:
            if time.monotonic() - since_s > LOOK_UP_S:
                break
            subject = subjects.subject_of(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, "*")
            last = await bus.last(subjects.stream_of(subjects.partition_of(meta.conversation_id)), subject)
            if last is not None:
                with contextlib.suppress(SchemaError):  # what somebody else has put there is no event of the turn
                    told = arrived(last.subject, last.data, last.headers.get(TYPE)).meta
                    found[meta.turn_id] = (
                        f"DeadlinePassed: {told.type} by {told.stage} was the last that was told of it"
                    )
    return found
