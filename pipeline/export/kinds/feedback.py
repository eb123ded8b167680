"""`feedback`: what people thought of replies: prompt, completion, and, where it is clear, a label for KTO. Pure."""

from collections.abc import Iterator
from typing import Final

from pipeline.export.messages import PLAIN_TYPE, message, prompt, question
from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row, seed_time
from pipeline.export.turns import LoggedTurn


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    feedback = turn.feedback
    if feedback is None:
        gathering.skip("nobody judged it")
        return
    row: Row = {
        "prompt": prompt(turn, gathering.system(turn)),
        "completion": [message("assistant", turn.reply)],
        "label": feedback.liked,
        "rating": feedback.rating,
        "correction": feedback.correction,
        "comment": feedback.comment,
        "intent": feedback.intent,
        "preferred": feedback.preferred,
        "reward": feedback.reward,
    }
    said = (
        feedback.rating,
        feedback.correction,
        feedback.comment,
        feedback.intent,
        feedback.preferred,
        feedback.reward,
    )
    yield Draft(row, turn, key=(question(turn), turn.reply), apart=repr(said), preferred=True)


def _seed_row(draft: Draft, row: Row, user: str) -> Row:
    """In the manner of the seed's other samples; it shows no feedback sample of its own."""
    return {
        "timestamp": seed_time(draft.turn),
        "user_id": user,
        "user_input": row["prompt"][-1]["content"],
        "response": row["completion"][0]["content"],
        "rating": row["rating"],
        "correction": row["correction"],
        "comment": row["comment"],
        "reward": row["reward"],
        "label": {True: "positive", False: "negative", None: "neutral"}[row["label"]],
    }


def _maker() -> Maker:
    return _rows


FEEDBACK: Final = Kind(
    "feedback",
    "what people thought of replies: prompt, completion, label, and their words",
    {
        "prompt": PLAIN_TYPE,
        "completion": PLAIN_TYPE,
        "label": "BOOLEAN",
        "rating": "VARCHAR",
        "correction": "VARCHAR",
        "comment": "VARCHAR",
        "intent": "VARCHAR",
        "preferred": "BIGINT",
        "reward": "DOUBLE",
    },
    _maker,
    seed_name="user_feedback.jsonl",
    seed_row=_seed_row,
)
