"""`dpo`: pairs of replies, the better first, `{"prompt": [...], "chosen": [...], "rejected": [...]}`. Pure.

What a person said goes before what the reranker scored. Candidates that were cut off after their first sentence are
compared by their first sentences, on which the reranker chose. A yes or a no to a question that Parley asked back makes
no pair: the log has one meaning that was offered, and none beside it.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.choosing import unfit_reply
from pipeline.export.messages import PLAIN_TYPE, message, prompt, question
from pipeline.export.rows import Draft, Gathering, Kind, Maker
from pipeline.export.turns import Feedback, LoggedTurn, Payload

MARGIN_MIN: Final = 0.05  # of the reranker's total, 0 to 1: what is nearer is as good
_NOBODY: Final = Feedback()


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    feedback = turn.feedback or _NOBODY
    by_person = list(_by_person(turn, feedback, gathering))
    pairs = by_person or list(_by_score(turn, gathering))
    if not pairs:
        return
    asked = prompt(turn, gathering.system(turn))
    told: set[tuple[str, str]] = set()
    for better, worse in pairs:
        if not better.strip() or not worse.strip() or better == worse or (better, worse) in told:
            continue
        told.add((better, worse))
        row = {
            "prompt": asked,
            "chosen": [message("assistant", better)],
            "rejected": [message("assistant", worse)],
        }
        yield Draft(row, turn, key=(question(turn), better, worse), preferred=bool(by_person))


def _by_person(turn: LoggedTurn, feedback: Feedback, gathering: Gathering) -> Iterator[tuple[str, str]]:
    """From corrections, preferred candidates, thumbs, and comparisons with another turn's reply."""
    reply = turn.reply
    if feedback.correction:
        yield feedback.correction.strip(), reply
    chosen = int((turn.chosen or {}).get("chosen", 0))
    others = [place for place in range(len(turn.candidates)) if place != chosen]
    if feedback.preferred is not None and 0 <= feedback.preferred < len(turn.candidates):
        for place in range(len(turn.candidates)):
            if place != feedback.preferred:
                yield _compared(turn.candidates[feedback.preferred], turn.candidates[place])
    elif chosen < len(turn.candidates) and others and not feedback.correction:
        if feedback.liked is True:
            for place in others:
                yield _compared(turn.candidates[chosen], turn.candidates[place])
        elif feedback.liked is False:
            best = next((place for place in _ranked(turn) if place != chosen), others[0])
            yield _compared(turn.candidates[best], turn.candidates[chosen])
    for other, reward in feedback.compared:
        compared = gathering.others.get(other)
        if compared is None or not compared.reply:
            gathering.skip("compared with a turn that has no reply in the log")
        elif reward > 0:
            yield reply, compared.reply
        elif reward < 0:
            yield compared.reply, reply


def _by_score(turn: LoggedTurn, gathering: Gathering) -> Iterator[tuple[str, str]]:
    """The candidate that was chosen, against those that are worse by more than chance."""
    totals = {int(score["candidate"]): float(score["total"]) for score in (turn.chosen or {}).get("scores", ())}
    chosen = int((turn.chosen or {}).get("chosen", 0))
    if len(turn.candidates) < 2 or chosen not in totals or unfit_reply(turn, gathering.choice):
        return
    for place in _ranked(turn):
        if place == chosen or place >= len(turn.candidates):
            continue
        if totals[chosen] - totals[place] < MARGIN_MIN:
            gathering.skip("candidates of nearly the same score")
        else:
            yield _compared(turn.candidates[chosen], turn.candidates[place])


def _ranked(turn: LoggedTurn) -> list[int]:
    """The candidates, best first."""
    return [int(score["candidate"]) for score in (turn.chosen or {}).get("scores", ())]


def _compared(better: Payload, worse: Payload) -> tuple[str, str]:
    """Their texts; of both the first sentence when one of them was not finished."""
    if "cut" in (better.get("finish"), worse.get("finish")):
        return _first(better), _first(worse)
    return str(better.get("text", "")), str(worse.get("text", ""))


def _first(candidate: Payload) -> str:
    return str(next(iter(candidate.get("sentences", ())), ""))


def _maker() -> Maker:
    return _rows


DPO: Final = Kind(
    "dpo",
    "pairs of replies, the better first: prompt, chosen, rejected",
    {"prompt": PLAIN_TYPE, "chosen": PLAIN_TYPE, "rejected": PLAIN_TYPE},
    _maker,
)
