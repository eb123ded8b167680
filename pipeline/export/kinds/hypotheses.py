"""`hypotheses`: what Parley thought might be meant, asked back, and whether the person's next turn agreed. Pure.

Parley asks back about one meaning at a time, when what it would do was only guessed; a yes or a no in the next turn of
the conversation is the label. Other questions ("when?", "which one?") are no hypotheses. The log tells no persona.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row, seed_time
from pipeline.export.turns import LoggedTurn
from schemas.intents import Intent
from stages.router.consent import consent
from stages.router.guesses import needs_a_yes

_GOALS_MAX: Final = 3


def _maker() -> Maker:
    offered: dict[str, tuple[LoggedTurn, float]] = {}  # by conversation: the turn whose question is open

    def rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
        before = offered.pop(turn.conversation, None)
        if before is not None and (answer := consent(turn.text)) is not None:
            yield _row(*before, agreed=answer == "yes")
        elif before is not None:
            gathering.skip("asked back, answered with neither yes nor no")
        guess = _guess(turn)
        if guess is not None:
            offered[turn.conversation] = (turn, guess)

    return rows


def _guess(turn: LoggedTurn) -> float | None:
    """How sure Parley was of the one meaning that it asked about; None when it asked about none."""
    if not (turn.asked or {}).get("clarification"):
        return None
    told = [Intent.model_validate(one) for one in turn.intents]
    guessed = [intent for intent in told if needs_a_yes(intent)]
    return guessed[0].confidence if len(guessed) == 1 and len(told) == 1 else None


def _row(turn: LoggedTurn, confidence: float, *, agreed: bool) -> Draft:
    asked = turn.asked or {}
    question = str(asked["clarification"])
    goals = [str(entry.get("user", "")) for entry in asked.get("history", ())][-_GOALS_MAX:]
    row: Row = {
        "user_input": turn.text,
        "context": {"recent_goals": goals},
        "hypotheses": [{"id": "h1", "question": question, "confidence": round(confidence, 4)}],
        "selected_id": "h1" if agreed else None,
        "label": "positive" if agreed else "negative",
    }
    return Draft(row, turn, key=(turn.text, question), apart=row["label"], preferred=True)


def _seed_row(draft: Draft, row: Row, user: str) -> Row:
    return {
        "timestamp": seed_time(draft.turn),
        "user_id": user,
        "user_input": row["user_input"],
        "context": {"persona_facets": {}, **row["context"], "preferences": []},
        "hypotheses": row["hypotheses"],
        "selected_id": row["selected_id"],
        "label": row["label"],
    }


HYPOTHESES: Final = Kind(
    "hypotheses",
    "questions asked back about what was meant, and whether the person agreed",
    {
        "user_input": "VARCHAR",
        "context": "STRUCT(recent_goals VARCHAR[])",
        "hypotheses": 'STRUCT("id" VARCHAR, question VARCHAR, confidence DOUBLE)[]',
        "selected_id": "VARCHAR",
        "label": "VARCHAR",
    },
    _maker,
    unsure=True,
    seed_name="hypotheses_data.jsonl",
    seed_row=_seed_row,
)
