"""Judges what an ordeal has left: each promise counted by how often it was broken.

Pure: evidence in, numbers out, and for each number that should be 0 a few examples by turn.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.chat import ReplyGenerated, ReplyRequested, SentenceGenerated
from schemas.event import Event, Fact
from schemas.intents import IntentLabel
from schemas.speech import SpeechReady
from schemas.tasks import TaskCompleted
from schemas.turns import SpeechTurnOpened, TextTurnOpened, TurnCompleted, TurnEnd, TurnFailed
from scripts.bench.ordeal.evidence import Evidence
from scripts.bench.ordeal.visitors import Accepted

EXAMPLES: Final = 3
WRITING: Final = frozenset(  # each leaves one row
    (
        IntentLabel.CREATE_NOTE,
        IntentLabel.CREATE_REMINDER,
        IntentLabel.CREATE_LEDGER,
        IntentLabel.ADD_EXPENSE,
        IntentLabel.SCHEDULE_EVENT,
    )
)
TURN_CHARS: Final = 36  # of a turn's id, with which the ids of all that it led to begin

Told = list[tuple[int, Event[Fact]]]
"""A turn's events with their places in the stream, oldest first."""
Mine = Sequence[tuple[Accepted, Told]]


@dataclass(slots=True)
class Verdict:
    """`ends` by kind; `broken` by promise, all of which must be empty."""

    accepted: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)  # of completed turns, from submission to end, sorted
    open_ms: list[float] = field(default_factory=list)  # the same from its opening: without waiting for earlier turns
    broken: dict[str, list[str]] = field(default_factory=dict)
    copies: int = 0  # messages of the stream that repeat an event

    @property
    def good(self) -> bool:
        return not any(self.broken.values())


def judge(accepted: Sequence[Accepted], evidence: Evidence) -> Verdict:
    """Every check on everything."""
    turns: defaultdict[str, Told] = defaultdict(list)
    for said in evidence.stream:
        turns[said.event.meta.turn].append((said.seq, said.event))
    verdict = Verdict(accepted=len(accepted))
    ids = [said.event.meta.id for said in evidence.stream]
    verdict.copies = len(ids) - len(set(ids))
    for turn in accepted:
        for _, end in _of(turns[turn.meta.turn], TurnEnd)[:1]:
            verdict.ends[_kind(end.fact)] += 1
            if isinstance(end.fact, TurnCompleted):
                verdict.times_ms.append((end.meta.time - turn.meta.time).total_seconds() * 1e3)
                opened = _of(turns[turn.meta.turn], TextTurnOpened, SpeechTurnOpened)[0][1].meta.time
                verdict.open_ms.append((end.meta.time - opened).total_seconds() * 1e3)
    verdict.times_ms.sort()
    verdict.open_ms.sort()
    mine = [(turn, turns[turn.meta.turn]) for turn in accepted]
    logged = Counter(event_id for _, event_id in evidence.log)
    verdict.broken = {
        "lost": [t.meta.turn for t, events in mine if not _of(events, TurnEnd)],
        "ended twice": [t.meta.turn for t, events in mine if len(_of(events, TurnEnd)) > 1],
        "acted twice": _acted_twice(accepted, evidence),
        "told and done differ": [told for t, events in mine for told in _not_done(t, events, evidence)],
        "replies spliced": [f"{t.meta.turn}: {why}" for t, events in mine for why in _spliced(events)],
        "log rows missing": [f"{s.seq} {s.event.meta.id}" for s in evidence.stream if not logged[s.event.meta.id]],
        "log rows double": [event_id for event_id, times in logged.items() if times > 1],
        "out of order": [*_opened_early(mine), *_numbered_wrong(mine), *_acted_late(mine, evidence)],
    }
    return verdict


def _kind(end: Fact) -> str:
    if isinstance(end, TurnFailed):
        return f"failed: {end.code}"
    return "completed" if isinstance(end, TurnCompleted) else "interrupted"


def _of(events: Told, *facts: type[Fact]) -> Told:
    return [(seq, event) for seq, event in events if isinstance(event.fact, facts)]


def _acted_twice(accepted: Sequence[Accepted], evidence: Evidence) -> list[str]:
    """Words that stand in the state more than once, and turns with more rows than they had wishes."""
    words = Counter(word for _, text in evidence.rows for word in text.casefold().split())
    wrong = [f"{t.meta.turn}: {mark}" for t in accepted for mark in t.line.marks if words[mark.casefold()] > 1]
    rows = Counter(row[:TURN_CHARS] for row, _ in evidence.rows)
    wrong += [f"{t.meta.turn}: {rows[t.meta.turn]} rows" for t in accepted if rows[t.meta.turn] > len(t.line.marks)]
    return wrong


def _not_done(turn: Accepted, events: Told, evidence: Evidence) -> list[str]:
    """What any turn says it did, and has not; what a completed turn did, and does not say.

    Counted by rows, which name their turn, and not by the words in them: to misunderstand a wish breaks no promise.
    """
    rows = {row for row, _ in evidence.rows if row.startswith(turn.meta.turn)}
    outcomes = {e.meta.id: e.fact.outcome for _, e in events if isinstance(e.fact, TaskCompleted)}.values()
    acts = [outcome for outcome in outcomes if outcome.success and outcome.skill in WRITING]
    named = {str(value) for outcome in acts for value in outcome.data.values()}
    wrong = [
        f"{turn.meta.turn}: {row} is told and is not there"
        for row in named - rows
        if row.startswith(f"{turn.meta.turn}-")
    ]
    completed = any(isinstance(event.fact, TurnCompleted) for _, event in events)
    if len(acts) > len(rows) or (completed and len(acts) != len(rows)):
        wrong.append(f"{turn.meta.turn}: {len(acts)} acts are told, {len(rows)} were done ({turn.line.text})")
    asked_back = any(isinstance(e.fact, ReplyRequested) and e.fact.clarification for _, e in events)
    if completed and len(outcomes) < len(turn.line.marks) and not asked_back:
        wrong.append(f"{turn.meta.turn}: {len(outcomes)} of {len(turn.line.marks)} wishes were answered")
    return wrong


def _spliced(events: Told) -> list[str]:
    """Where the reply is not its sentences, or what was ended with, or what was spoken."""
    texts: defaultdict[int, list[str]] = defaultdict(list)
    for _, event in _of(events, SentenceGenerated):
        assert isinstance(event.fact, SentenceGenerated)
        texts[event.fact.index].append(event.fact.text)
    wrong = [f"sentence {index} was said {len(told)} times" for index, told in texts.items() if len(told) > 1]
    replies = [event.fact for _, event in events if isinstance(event.fact, ReplyGenerated)]
    if len(replies) > 1:
        wrong.append(f"{len(replies)} replies")
    if not replies:
        return wrong
    reply = replies[0].candidates[0]
    told = tuple(texts[index][0] for index in sorted(texts))
    if told != reply.sentences or " ".join(told) != reply.text:
        wrong.append(f"{reply.sentences} is not {told}")
    for _, event in events:
        fact = event.fact
        if isinstance(fact, TurnCompleted) and fact.reply != reply.text:
            wrong.append(f"it ended with {fact.reply!r}")
        if isinstance(fact, SpeechReady) and reply.sentences[fact.index : fact.index + 1] != (fact.text,):
            wrong.append(f"{fact.text!r} was spoken as sentence {fact.index}")
    return wrong


def _by_conversation(mine: Mine) -> list[list[tuple[Accepted, Told]]]:
    """Those turns that have a number, each conversation's in the order of the numbers."""
    found: defaultdict[str, list[tuple[Accepted, Told]]] = defaultdict(list)
    for turn, events in mine:
        if events:
            found[turn.meta.conversation].append((turn, events))
    return [sorted(turns, key=_number) for turns in found.values()]


def _number(turn: tuple[Accepted, Told]) -> int:
    return turn[1][0][1].meta.number


def _opened_early(mine: Mine) -> list[str]:
    """Turns that were opened before the one before had ended; those that never opened (busy) do not count."""
    wrong = []
    for turns in _by_conversation(mine):
        ended_at = 0
        for turn, events in turns:
            opened = _of(events, TextTurnOpened, SpeechTurnOpened)
            ended = _of(events, TurnEnd)
            if not opened:
                continue
            if opened[0][0] < ended_at:
                wrong.append(f"{turn.meta.turn}: opened at {opened[0][0]}, the one before ended at {ended_at}")
            if ended and ended[0][0] < opened[0][0]:
                wrong.append(f"{turn.meta.turn}: ended before it was opened")
            ended_at = ended[0][0] if ended else ended_at
    return wrong


def _numbered_wrong(mine: Mine) -> list[str]:
    """Turns numbered in another order than they were accepted, and numbers given twice.

    Of a submission that was tried again the bus may hold two copies, so that it is not known which one counted.
    """
    wrong = []
    for turns in _by_conversation(mine):
        numbers = [_number(turn) for turn in turns]
        if len(set(numbers)) < len(numbers):
            wrong.append(f"{turns[0][0].meta.conversation}: numbers {numbers}")
        sure = [turn for turn, _ in turns if turn.tries == 1]
        wrong += [
            f"{after.meta.turn}: numbered after one that was accepted later"
            for before, after in itertools.pairwise(sure)
            if after.intake_seq < before.intake_seq
        ]
    return wrong


def _acted_late(mine: Mine, evidence: Evidence) -> list[str]:
    """Effects of a turn that came after effects of a later turn of its conversation, or in another order within it."""
    place = {turn.meta.turn: (turn.meta.conversation, _number((turn, events))) for turn, events in mine if events}
    latest: dict[str, tuple[int, int]] = {}
    wrong = []
    for turn, intent in evidence.acted:
        if turn not in place:
            continue
        conversation, number = place[turn]
        if (number, intent) < latest.get(conversation, (0, 0)):
            wrong.append(f"{turn}: acted after a later turn")
        latest[conversation] = max((number, intent), latest.get(conversation, (0, 0)))
    return wrong
