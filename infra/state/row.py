"""One row of an answer, read column by column with the type that the schema promises. Knows no table."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from infra.state.errors import StateCorrupt, StateMisused

Value: TypeAlias = str | int | float | bytes | datetime | None
"""What a statement can be given. Moments must know their zone; amounts are whole minor units, never floats."""
_ZONE_AT = len("2026-11-20T12:00:00.000000")


def stored(moment: datetime) -> str:
    """A moment as text of fixed width in UTC, so that text order is time order. Raises StateMisused if it is naive."""
    if moment.tzinfo is None:
        raise StateMisused(f"{moment.isoformat()} has no time zone; give moments with one")
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:_ZONE_AT]}Z"


class Row:
    """Read-only. Each reader raises StateCorrupt when the column holds something else than its type."""

    def __init__(self, columns: Mapping[str, object]) -> None:
        self._columns = columns

    def text(self, name: str) -> str:
        value = self._columns[name]
        if not isinstance(value, str):
            raise _wrong(name, value, "text")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self._columns[name] is None else self.text(name)

    def whole(self, name: str) -> int:
        value = self._columns[name]
        if not isinstance(value, int):
            raise _wrong(name, value, "a whole number")
        return value

    def maybe_whole(self, name: str) -> int | None:
        return None if self._columns[name] is None else self.whole(name)

    def flag(self, name: str) -> bool:
        return bool(self.whole(name))

    def blob(self, name: str) -> bytes:
        value = self._columns[name]
        if not isinstance(value, bytes):
            raise _wrong(name, value, "bytes")
        return value

    def moment(self, name: str) -> datetime:
        """A moment, in UTC."""
        text = self.text(name)
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise _wrong(name, text, "a moment") from None

    def maybe_moment(self, name: str) -> datetime | None:
        return None if self._columns[name] is None else self.moment(name)


def _wrong(name: str, value: object, expected: str) -> StateCorrupt:
    return StateCorrupt(f"column {name!r} of the state holds {type(value).__name__}, expected {expected}")
