"""A moment on a command line."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from schemas.errors import InvalidField

MOMENT: Final = "A day or a time, e.g. 2026-11-20 or 2026-11-20T09:30+01:00; without a zone it is in `time_zone`."


def moment(option: str, text: str, zone: str) -> datetime:
    """What was meant, in `zone` where none is told. Raises InvalidField."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        expected = "an ISO 8601 time such as 2026-11-20 or 2026-11-20T09:30+01:00"
        raise InvalidField(option, text, expected) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))
