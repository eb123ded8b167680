"""Ids and how they follow from one another. Making new ones takes a clock and chance: see infra/clock.py."""

import hashlib
import re
from typing import NewType

from schemas.errors import InvalidField

Tenant = NewType("Tenant", str)
RunId = NewType("RunId", str)
ConversationId = NewType("ConversationId", str)
TurnId = NewType("TurnId", str)
UserId = NewType("UserId", str)
EventId = NewType("EventId", str)

LIVE_RUN = RunId("live")  # what people say now; a replay is any other run
DEFAULT_TENANT = Tenant("local")
NOBODY = UserId("unknown")  # who submitted what cannot be read

TOKEN_MAX_CHARS = 64
TIME_ZONE_MAX_CHARS = 64  # the longest IANA name has 32
UUID7_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TOKEN_PATTERN = f"[A-Za-z0-9_-]{{1,{TOKEN_MAX_CHARS}}}"
TIME_ZONE_PATTERN = f"[A-Za-z0-9_+/-]{{1,{TIME_ZONE_MAX_CHARS}}}"
TOKEN_EXPECTED = f"1 to {TOKEN_MAX_CHARS} of the characters A-Z a-z 0-9 _ -"
UUID7_EXPECTED = "a UUIDv7 in lower case such as 01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10"
TIME_ZONE_EXPECTED = f"an IANA time zone such as Europe/Berlin, of 1 to {TIME_ZONE_MAX_CHARS} characters"
_UUID7 = re.compile(rf"{UUID7_PATTERN}\Z")
_TOKEN = re.compile(rf"{TOKEN_PATTERN}\Z")
_AGAIN_HASH_BYTES = 9  # 72 bits of a UUIDv7's 74 random ones
_EVENT_HASH_BYTES = 8  # 64 bits within one turn's few dozen events


def checked_token(field: str, value: str) -> str:
    """One token of a subject, refused when it holds `.`, `*`, `>`, a space or anything else with a meaning to the bus.

    Raises InvalidField.
    """
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise InvalidField(field, value, TOKEN_EXPECTED)
    return value


def checked_uuid7(field: str, value: str) -> str:
    """A UUIDv7 (RFC 9562) in its canonical lower-case form. Raises InvalidField."""
    if not isinstance(value, str) or not _UUID7.match(value):
        raise InvalidField(field, value, UUID7_EXPECTED)
    return value


def turn_again(turn: str) -> TurnId:
    """The id of the turn in which a turn that came to nothing is said once more: always the same, so it is one turn.

    A UUIDv7 too, of the same moment.
    """
    digest = hashlib.blake2b(f"again\0{turn}".encode(), digest_size=_AGAIN_HASH_BYTES).hexdigest()
    return TurnId(f"{turn[:15]}{digest[:3]}-{turn[19]}{digest[3:6]}-{digest[6:18]}")


def event_id(turn: TurnId, run: RunId, cause: str, stage: str, index: int) -> EventId:
    """The id of what `stage` says as its `index`-th event because of `cause`: the same on every redelivery.

    The run is part of it, so a replay never collides with the original.
    """
    digest = hashlib.blake2b("\0".join((run, cause, stage, str(index))).encode(), digest_size=_EVENT_HASH_BYTES)
    return EventId(f"{turn}-{digest.hexdigest()}")
