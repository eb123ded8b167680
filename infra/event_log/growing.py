"""How many times longer a statement can make a text by replacing: told from its syntax tree, before it runs.

DuckDB makes one value in one go, which neither a time limit nor its memory limit stops; three replacements, one inside
the other, make hundreds of gigabytes out of 20,000 characters of SQL. Those of everyday use pass. Knows no data.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

from infra.event_log.port import Json

GROWTH_MAX: Final = 1_000
"""Of all replacements of a statement together: a text of 64 KiB becomes one of 64 MiB at the most."""
_UNKNOWN: Final = float("inf")


def _replaced(sought: str | None, instead: str) -> float:
    return max(1, ceil(len(instead) / len(sought))) if sought else _UNKNOWN if sought is None else 1


def _matched(_: str | None, instead: str) -> float:
    return 1 + len(instead)  # a pattern may match between all characters; a group of it takes two to be named


FUNCTIONS: Final[Mapping[str, Callable[[str | None, str], float]]] = {
    "replace": _replaced,
    "regexp_replace": _matched,
}


def growth(name: str, arguments: Json) -> float:
    """How many times longer its result can be than its first argument; infinite when that cannot be told."""
    parts = [_literal(each) for each in arguments] if isinstance(arguments, list) else []
    if len(parts) < 3 or parts[2] is None:
        return _UNKNOWN
    return FUNCTIONS[name](parts[1], parts[2])


def _literal(argument: Json) -> str | None:
    """The text of an argument that is written out; None of one that is computed."""
    expression = argument.get("expression", argument) if isinstance(argument, dict) else None
    literal = expression.get("literal") if isinstance(expression, dict) else None
    text = literal.get("text") if isinstance(literal, dict) else None
    return text if isinstance(text, str) else None
