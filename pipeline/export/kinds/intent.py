"""`intent`: utterances with what they want: text, labels, and for each label its part and its slots. Pure.

A label that a person corrected stands instead of what was understood, and keeps slots only if that label was among it.
What was only guessed (by neither a sure head nor an engine) is left out with the rest of low confidence;
so is what answered a question, whose label is that of a scrap ("tomorrow at nine").
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.export.answering import answers
from pipeline.export.rows import Draft, Gathering, Kind, Maker
from pipeline.export.turns import LoggedTurn
from schemas.intents import IntentLabel, Slots

_WHEN: Final = 'STRUCT("text" VARCHAR, "at" VARCHAR, all_day BOOLEAN)'
SLOTS_TYPE: Final = (
    f'STRUCT(title VARCHAR, new_title VARCHAR, "when" {_WHEN}, "until" {_WHEN}, person VARCHAR, '
    'amount STRUCT("value" VARCHAR, currency VARCHAR), direction VARCHAR, purpose VARCHAR, "query" VARCHAR, '
    '"all" BOOLEAN)'
)
_EMPTY: Final = Slots().model_dump(mode="json")


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    corrected = turn.feedback.intent if turn.feedback is not None else None
    if corrected is not None and corrected not in set(IntentLabel):
        gathering.skip("corrected to a label that there is none of")
        return
    if corrected is None and answers(turn):
        gathering.skip("answer to a question")
        return
    if corrected is None and not turn.intents:
        gathering.skip("not classified")
        return
    if corrected is None and not gathering.choice.low_confidence and _guessed(turn):
        gathering.skip("intent only guessed")
        return
    told = [(str(one.get("label")), str(one.get("text", "")), _slots(one.get("slots", {}))) for one in turn.intents]
    if corrected is not None:
        same = [slots for label, _, slots in told if label == corrected]
        told = [(corrected, turn.text, same[0] if len(same) == 1 else dict(_EMPTY))]
    labels = [label for label, _, _ in told]
    row = {
        "text": turn.text,
        "labels": labels,
        "parts": [part for _, part, _ in told],
        "slots": [slots for _, _, slots in told],
        "corrected": corrected is not None,
    }
    apart = json.dumps([labels, row["slots"]], sort_keys=True)
    yield Draft(row, turn, key=(turn.text,), apart=apart, preferred=corrected is not None)


def _guessed(turn: LoggedTurn) -> bool:
    return any(one.get("decided_by") == "fallback" for one in turn.intents)


def _slots(told: Mapping[str, Any]) -> dict[str, Any]:
    """All slots, null where there is none: rows of one shape."""
    return {name: told.get(name, empty) for name, empty in _EMPTY.items()}


def _maker() -> Maker:
    return _rows


INTENT: Final = Kind(
    "intent",
    "utterances with their labels and slots; corrections override",
    {
        "text": "VARCHAR",
        "labels": "VARCHAR[]",
        "parts": "VARCHAR[]",
        "slots": f"{SLOTS_TYPE}[]",
        "corrected": "BOOLEAN",
    },
    _maker,
    history=False,
)
