"""`dpo`: pairs of replies, the better first, `{"prompt": [...], "chosen": [...], "rejected": [...]}`. Pure.

What a person said goes before what the reranker scored. Candidates that were cut off after their first sentence are
compared by their first sentences, on which the reranker chose. Questions that Parley asked back make pairs where the
answer tells two of them apart: which of several things was meant ("Shall I cancel 'tea' at 5 PM?" before the same about
'milk'), and, after a no, what was asked or done next about the same matter before what was declined.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.choosing import left_out, unfit_reply
from pipeline.export.clarifications import Clarifications, Clarified
from pipeline.export.deduplication import comparable
from pipeline.export.messages import PLAIN_TYPE, message, prompt, question
from pipeline.export.rows import Draft, Gathering, Kind, Maker
from pipeline.export.turns import Feedback, LoggedTurn, Payload
from stages.router.matching import telling_words

MARGIN_MIN: Final = 0.05  # of the reranker's total, 0 to 1: what is nearer is as good
_NOBODY: Final = Feedback()


def _maker() -> Maker:
    clarifications = Clarifications()
    declined: dict[str, Clarified] = {}  # by conversation: what the turn before said no to

    def rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
        before = declined.pop(turn.conversation, None)
        answered = clarifications.heard(turn)
        if answered is not None and answered.chosen is None:
            declined[turn.conversation] = answered
        elif answered is not None:
            yield from _clarified(answered, gathering)
        yield from _instead(before, answered, turn, gathering)
        if before is not None and answered is None and (turn.asked or {}).get("clarification"):
            declined[turn.conversation] = before  # another question about it; the answer to it tells
        if (reason := left_out(turn, gathering.choice)) is not None:
            gathering.skip(reason)
            return
        yield from _rows(turn, gathering)

    return rows


def _clarified(answered: Clarified, gathering: Gathering) -> Iterator[Draft]:
    """The meaning that the person chose, before each of the others."""
    chosen = answered.options[answered.chosen or 0]
    for option in answered.options:
        if option.question != chosen.question:
            yield _pair(answered.turn, chosen.question, option.question, gathering)


def _instead(
    before: Clarified | None, answered: Clarified | None, turn: LoggedTurn, gathering: Gathering
) -> Iterator[Draft]:
    """After a no: the question that got a yes, or what a skill did for the person's other words, before the first."""
    if before is None or len(before.options) > 1:
        return
    declined = before.options[0].question
    if answered is not None and answered.chosen is not None and _same_matter(before.turn, answered.turn):
        better = answered.options[answered.chosen].question
        if better != declined:
            yield _pair(before.turn, better, declined, gathering)
    elif answered is None and _done(turn) and _same_matter(before.turn, turn):
        yield _pair(before.turn, turn.reply, declined, gathering)


def _done(turn: LoggedTurn) -> bool:
    """It was clear, and all of it was done."""
    clear = not (turn.asked or {}).get("clarification")
    return clear and bool(turn.tasks) and all(outcome.get("success") for _, outcome in turn.tasks)


def _same_matter(one: LoggedTurn, other: LoggedTurn) -> bool:
    return bool(set(telling_words(one.text)) & set(telling_words(other.text)))


def _pair(turn: LoggedTurn, better: str, worse: str, gathering: Gathering) -> Draft:
    row = {
        "prompt": prompt(turn, gathering.system(turn)),
        "chosen": [message("assistant", better)],
        "rejected": [message("assistant", worse)],
    }
    return Draft(row, turn, key=(question(turn), better, worse), preferred=True)


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
    """From corrections, preferred candidates, thumbs, and comparisons with another turn's reply to the same words."""
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
        elif comparable((compared.text,)) != comparable((turn.text,)):
            gathering.skip("compared with the reply to other words")
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


DPO: Final = Kind(
    "dpo",
    "pairs of replies, the better first: prompt, chosen, rejected",
    {"prompt": PLAIN_TYPE, "chosen": PLAIN_TYPE, "rejected": PLAIN_TYPE},
    _maker,
    unsure=True,
)
