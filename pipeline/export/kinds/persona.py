"""`persona`: what was learned of how people like to be answered: which facets moved after what was said, and why. Pure.

Facets are 0 to 1, as front-ends publish them (PersonaGiven); Parley itself moves none.
"""

import json
from collections.abc import Iterator
from typing import Final

from pipeline.export.persona import Update
from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row, seed_time
from pipeline.export.turns import LoggedTurn

_ROUNDED: Final = 4


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    updates = gathering.persona.by_turn.get(turn.id, [])
    if not updates:
        gathering.skip("nothing was learned from it")
    for update in updates:
        row: Row = {
            "user_input": turn.text,
            "reply": turn.reply,
            "reason": update.reason,
            "facets": [_moved(update, facet) for facet in update.facets],
        }
        apart = json.dumps([row["reason"], row["facets"]])
        yield Draft(row, turn, key=(turn.text, turn.reply), apart=apart, preferred=True)


def _moved(update: Update, facet: str) -> dict[str, object]:
    before, value = update.before.get(facet), update.facets[facet]
    by = None if before is None else round(value - before, _ROUNDED)
    return {"facet": facet, "before": before, "update": by, "value": value}


def _seed_row(draft: Draft, row: Row, user: str) -> Row:
    """In the manner of the seed's signals and updates; it shows no sample of a whole line."""
    moved = row["facets"]
    return {
        "timestamp": seed_time(draft.turn),
        "user_id": user,
        "signals": {
            "user_input": row["user_input"],
            "success": draft.turn.status == "completed",
            "feedback": row["reason"],
        },
        "facets_before": {each["facet"]: each["before"] for each in moved if each["before"] is not None},
        "updates": {each["facet"]: each["update"] for each in moved if each["update"] is not None},
        "facets_after": {each["facet"]: each["value"] for each in moved},
    }


def _maker() -> Maker:
    return _rows


PERSONA: Final = Kind(
    "persona",
    "what was learned of how people like to be answered: facets that moved, after what, and why",
    {
        "user_input": "VARCHAR",
        "reply": "VARCHAR",
        "reason": "VARCHAR",
        "facets": 'STRUCT(facet VARCHAR, "before" DOUBLE, "update" DOUBLE, "value" DOUBLE)[]',
    },
    _maker,
    history=False,
    unsure=True,
    seed_name="persona_updates.jsonl",
    seed_row=_seed_row,
)
