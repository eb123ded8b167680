"""The record of who read or deleted what of whom, when, from where, and whether they were let.

It stands in a stream of its own (PARLEY_AUDIT), which all gateways share; nothing in it can be changed or deleted, the
oldest records go by age and size. A record is written before the deed, which is refused when it cannot be written. So a
deed has a record, but a record does not say that the deed succeeded. It names things by ids, never by what is in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pydantic
from pydantic import BaseModel, ConfigDict

from infra.bus.connection import Bus
from infra.bus.reading import Stored
from infra.bus.streams import AUDIT_SUBJECT
from infra.clock import Clock, new_id
from infra.tokens import Identity
from schemas.subjects import AUDIT_STREAM

EVERYBODY: Final = "~"  # whose, when it is everybody's: figures, reports; no user can be called so

Action = Literal["read", "delete", "export", "write", "open"]
Outcome = Literal["allowed", "refused"]


class AuditRecord(BaseModel):
    """One deed, or the attempt."""

    model_config = ConfigDict(frozen=True)

    id: str
    time: datetime
    who: str
    roles: tuple[str, ...]
    action: Action
    whose: str  # a user, or EVERYBODY
    what: str  # the kind of things, e.g. history
    route: str  # its template, e.g. /api/chat/history/{user_id}
    ids: Mapping[str, str]  # of what the route names beside the user
    outcome: Outcome
    address: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done."""

    action: Action
    what: str
    whose: str
    route: str
    ids: Mapping[str, str]
    address: str


class Audit:
    """Where the gateways of one tenant write."""

    def __init__(self, bus: Bus, tenant: str, clock: Clock) -> None:
        self._bus = bus
        self._tenant = tenant
        self._clock = clock

    async def write(self, identity: Identity, deed: Deed, outcome: Outcome) -> AuditRecord:
        """Put it on the record; returns once the bus has it for certain. Raises BusUnavailable."""
        record = AuditRecord(
            id=new_id(),
            time=self._clock.now(),
            who=identity.user,
            roles=tuple(sorted(identity.roles)),
            action=deed.action,
            whose=deed.whose,
            what=deed.what,
            route=deed.route,
            ids=deed.ids,
            outcome=outcome,
            address=deed.address,
        )
        headers = {"Nats-Msg-Id": record.id, "content-type": "application/json"}
        await self._bus.put(_subject(self._tenant, deed.whose), record.model_dump_json().encode(), headers)
        return record


async def records(
    bus: Bus, tenant: str, *, user: str | None = None, since: datetime | None = None
) -> list[AuditRecord]:
    """What is on the record, oldest first; of one user: what they did, and what was done with what is theirs.

    Raises BusUnavailable.
    """
    found = await bus.messages(AUDIT_STREAM, _subject(tenant, "*"), since=since)
    read = [record for _, message in found if (record := _read(message)) is not None]
    return [record for record in read if user is None or user in (record.who, record.whose)]


def _subject(tenant: str, whose: str) -> str:
    return f"{AUDIT_SUBJECT}.{tenant}.{whose}"


def _read(message: Stored) -> AuditRecord | None:
    """None of what somebody else has put there."""
    try:
        return AuditRecord.model_validate_json(message.data)
    except pydantic.ValidationError:
        return None


def as_json(record: AuditRecord) -> dict[str, Any]:
    """A record as a line of JSON has it."""
    return record.model_dump(mode="json")
