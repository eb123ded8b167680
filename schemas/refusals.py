"""What pydantic found wrong, in Parley's words: the same for a field that a person gave and for one of an event."""

from collections.abc import Mapping
from typing import Any, Final

import pydantic

from schemas import ids
from schemas.errors import InvalidField

_OF_PATTERNS: Final = {
    f"^{ids.TOKEN_PATTERN}$": ids.TOKEN_EXPECTED,
    f"^{ids.UUID7_PATTERN}$": ids.UUID7_EXPECTED,
    f"^{ids.TIME_ZONE_PATTERN}$": ids.TIME_ZONE_EXPECTED,
}


def refused_field(refused: pydantic.ValidationError) -> InvalidField | None:
    """The first field that a rule of the schemas refused; None when it was no rule of theirs."""
    first = refused.errors(include_url=False)[0]
    context = first.get("ctx", {})
    if not isinstance(context.get("error"), InvalidField) and context.get("pattern") not in _OF_PATTERNS:
        return None
    return InvalidField(".".join(map(str, first["loc"])), first.get("input"), expected_by(first))


def expected_by(found: Mapping[str, Any]) -> str:
    """What would have been right, of one of a ValidationError's `errors()`."""
    context = found.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InvalidField):
        return cause.expected
    told = str(found["msg"]).removeprefix("Input should be ")
    return _OF_PATTERNS.get(context.get("pattern", ""), told)
