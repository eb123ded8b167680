"""Where a list goes on: the key of a page's last row, as text that is opaque to whoever gets it. Pure."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Final

from schemas.errors import InvalidField

CURSOR_MAX_CHARS: Final = 400


def cursor_of(*key: str | datetime) -> str:
    """The cursor of a row with this key."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    told = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def key_of(cursor: str, parts: int) -> tuple[str, ...]:
    """The key, as so many texts. Raises InvalidField."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(found, list) or len(found) != parts or not all(isinstance(part, str) for part in found):
            raise _refused(cursor)
        for part in found:
            part.encode()  # half a character is none that a database takes
    except (binascii.Error, ValueError, RecursionError):  # among them InvalidField
        raise _refused(cursor) from None
    return tuple(found)


def moment_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The key of a row that is named by a moment and an id; None without a cursor. Raises InvalidField."""
    if cursor is None:
        return None
    told, name = key_of(cursor, 2)
    try:
        moment = datetime.fromisoformat(told)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC), name
    except (ValueError, OverflowError):
        raise _refused(cursor) from None


def _refused(cursor: str) -> InvalidField:
    return InvalidField("cursor", cursor, "the `next` of a page of the same list")
