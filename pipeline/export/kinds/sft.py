"""`sft`: whole exchanges to imitate, `{"messages": [...]}`, with `tools` where a skill acted. Pure.

A correction takes the place of the reply, as a preferred candidate does; what was disliked and not corrected is no
example.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.choosing import unfit_reply
from pipeline.export.messages import MESSAGES_TYPE, called, message, prompt, question, tools
from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row
from pipeline.export.turns import LoggedTurn


def target(turn: LoggedTurn) -> tuple[str, bool] | None:
    """What should have been answered, and whether a person said so; None when only the opposite is known."""
    feedback = turn.feedback
    if feedback is None:
        return turn.reply, False
    if feedback.correction and feedback.correction.strip():
        return feedback.correction.strip(), True
    preferred = feedback.preferred
    if preferred is not None and 0 <= preferred < len(turn.candidates):
        candidate = turn.candidates[preferred]
        return (str(candidate.get("text", "")), True) if candidate.get("finish") != "cut" else None
    return None if feedback.liked is False else (turn.reply, feedback.liked is True)


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    from stages.intent.decision import DESCRIPTIONS  # loads the models' libraries

    wanted = target(turn)
    corrected = turn.feedback is not None and turn.feedback.correction is not None
    reason = (
        "disliked and not corrected" if wanted is None else None if corrected else unfit_reply(turn, gathering.choice)
    )
    if wanted is None or reason is not None:
        gathering.skip(str(reason))
        return
    calls = called(turn)
    if calls is None:
        gathering.skip("answer to a question: the whole call of the skill is not in the log")
        return
    answer, preferred = wanted
    system = gathering.system(turn)
    messages = [*prompt(turn, system), *calls, message("assistant", answer)]
    row: Row = {"messages": messages}
    if turn.tasks:
        row["tools"] = tools([str(outcome["skill"]) for _, outcome in turn.tasks], DESCRIPTIONS)
    yield Draft(row, turn, key=(question(turn), answer), preferred=preferred)


def _maker() -> Maker:
    return _rows


SFT: Final = Kind(
    "sft",
    "whole exchanges to imitate: messages, and tools where a skill acted",
    {"messages": MESSAGES_TYPE, "tools": "VARCHAR"},
    _maker,
)
