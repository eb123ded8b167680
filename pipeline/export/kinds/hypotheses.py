"""`hypotheses`: what Parley thought might be meant, asked back, and what the person's next turn made of it. Pure.

Of one meaning a yes or a no is the label; of several the person chose one. What was asked because something was missing
("when?") is no hypothesis. The confidence is that of the guess; of several things nothing says how likely each is.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.clarifications import Clarifications, Clarified
from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row, seed_time
from pipeline.export.turns import LoggedTurn

_GOALS_MAX: Final = 3


def _maker() -> Maker:
    clarifications = Clarifications()

    def rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
        unanswered = clarifications.unanswered
        answered = clarifications.heard(turn)
        if answered is not None:
            yield _row(answered, gathering)
        elif clarifications.unanswered > unanswered:
            gathering.skip("asked back, and not answered by the next turn")

    return rows


def _row(answered: Clarified, gathering: Gathering) -> Draft:
    turn, options = answered.turn, answered.options
    goals = [str(entry.get("user", "")) for entry in (turn.asked or {}).get("history", ())][-_GOALS_MAX:]
    row: Row = {
        "user_input": turn.text,
        "context": {"recent_goals": goals, "persona_facets": _facets(turn, gathering)},
        "hypotheses": [
            {"id": f"h{place}", "question": option.question, "confidence": option.confidence}
            for place, option in enumerate(options, start=1)
        ],
        "selected_id": None if answered.chosen is None else f"h{answered.chosen + 1}",
        "label": "negative" if answered.chosen is None else "positive",
    }
    asked = [option.question for option in options]
    return Draft(row, turn, key=(turn.text, *asked), apart=str(row["selected_id"]), preferred=True)


def _facets(turn: LoggedTurn, gathering: Gathering) -> list[dict[str, object]]:
    """How the person liked to be answered at that time: a list, since every row of a table has the same columns."""
    stood = gathering.persona.at(turn.user, turn.time)
    return [{"facet": facet, "value": value} for facet, value in sorted(stood.items())]


def _seed_row(draft: Draft, row: Row, user: str) -> Row:
    return {
        "timestamp": seed_time(draft.turn),
        "user_id": user,
        "user_input": row["user_input"],
        "context": {
            "persona_facets": {each["facet"]: each["value"] for each in row["context"]["persona_facets"]},
            "recent_goals": row["context"]["recent_goals"],
            "preferences": [],
        },
        "hypotheses": row["hypotheses"],
        "selected_id": row["selected_id"],
        "label": row["label"],
    }


HYPOTHESES: Final = Kind(
    "hypotheses",
    "questions asked back about what was meant, and whether the person agreed",
    {
        "user_input": "VARCHAR",
        "context": 'STRUCT(recent_goals VARCHAR[], persona_facets STRUCT(facet VARCHAR, "value" DOUBLE)[])',
        "hypotheses": 'STRUCT("id" VARCHAR, question VARCHAR, confidence DOUBLE)[]',
        "selected_id": "VARCHAR",
        "label": "VARCHAR",
    },
    _maker,
    unsure=True,
    seed_name="hypotheses_data.jsonl",
    seed_row=_seed_row,
)
