"""Leaves out of a row what was said, for a log that keeps operations only.

What stays of an event is what has no words of a person, nor of a reply: numbers, yes and no, and the texts whose names
stand in KEPT, all of them Parley's own words (labels, models, codes). All else is emptied in its place, so that a row
still has the shape of its event. Pure.
"""

import json
from typing import Any, Final

import pydantic_core

from infra.event_log.columns import Columns
from infra.event_log.port import INVALID

KEPT: Final = frozenset(
    {
        *("label", "decided_by", "skill", "direction", "empty_because", "rating", "finish"),
        *("backend", "model", "name", "sha256", "media_type", "scored_on", "ref"),
        *("code", "stage", "failed_stage", "field", "about", "by", "compared_with", "intent", "due_at", "of", "start"),
    }
)
"""Names of texts that are Parley's own."""
LEFT_OUT: Final = frozenset({"slots", "data", "history", "facets", "before"})
"""Names of what is emptied whole: its very shape tells what was said."""


def without_content(row: Columns) -> Columns:
    """The row without what was said; of a message that could not be read only that there was one."""
    if row.type == INVALID:
        told = pydantic_core.from_json(row.payload)
        return row._replace(payload=json.dumps({"error": told.get("error")}), rest=None)
    return row._replace(payload=json.dumps(_emptied(pydantic_core.from_json(row.payload))), rest=None)


def _emptied(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {} if name in LEFT_OUT else {key: _emptied(each, key) for key, each in value.items()}
        case list():
            return [] if name in LEFT_OUT else [_emptied(each, name) for each in value]
        case str():
            return value if name in KEPT else ""
        case _:
            return value
