"""What came out differently when a turn was run again, and whether that is worse. Pure, but for an embedder.

What nobody has complained of counts as right: another intent, slot or deed than then is worse, unless the person has
said that it was wrong (feedback), and better when it is what the person said it should have been. A reply has many
right forms: it is worse only when it means something else than the reply then and does not fit the question better.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from infra.embeddings import Embedder
from infra.settings import CONTEXTUAL
from infra.word_errors import word_error_rate, words_of
from pipeline.export.turns import LoggedTurn, Payload
from schemas.intents import Money, Slots, When

Verdict = Literal["worse", "changed", "better"]
Kind = Literal["end", "transcript", "intents", "slots", "tasks", "engine", "reply"]
KINDS: Final[tuple[Kind, ...]] = ("end", "transcript", "intents", "slots", "tasks", "engine", "reply")

SAME_MEANING: Final = 0.6
"""Cosine (all-MiniLM-L6-v2) from which two replies mean the same; docs/measurements.md shows on what it rests."""
FIXED: Final = "fixed"
"""The engine of replies in Parley's own words, which no prompt and no model touches."""
NO_MODEL: Final = (FIXED, CONTEXTUAL)
BETTER_FITTING: Final = 0.1  # so much more cosine with the question, or with what it should have been, is better


@dataclass(frozen=True, slots=True)
class Change:
    """One thing about a turn that came out differently."""

    turn: str
    kind: Kind
    verdict: Verdict
    before: str
    after: str
    why: str = ""


@dataclass(slots=True)
class Compared:
    """One turn in both runs."""

    turn: str
    text: str
    changes: list[Change] = field(default_factory=list)
    wer: float | None = None  # of a spoken turn, against what was understood then
    similarity: float | None = None  # of the replies; None where either has none, or both are in Parley's own words

    @property
    def verdict(self) -> Verdict | Literal["same"]:
        """The worst of its changes, but for a better one that makes up for nothing."""
        verdicts = [change.verdict for change in self.changes]
        return next((verdict for verdict in ("worse", "changed", "better") if verdict in verdicts), "same")


class Meaning:
    """How near texts are in meaning: cosines, each text placed once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._placed: dict[str, Any] = {}

    def place(self, texts: Iterable[str]) -> None:
        """Place these together, which is faster than one by one."""
        new = sorted({text for text in texts if text not in self._placed})
        if new:
            self._placed |= dict(zip(new, self._embedder.embed(new), strict=True))

    def forget(self) -> None:
        """Let go of all that was placed."""
        self._placed.clear()

    def cosine(self, one: str, other: str) -> float:
        """From -1 to 1; 1 for equal texts."""
        if one == other:
            return 1.0
        self.place((one, other))
        return float(self._placed[one] @ self._placed[other])


def compared(before: LoggedTurn, after: LoggedTurn, meaning: Meaning) -> Compared:
    """All differences of one turn."""
    told = Compared(before.id, before.text)
    disliked = before.feedback is not None and before.feedback.liked is False
    found = [_end(before, after)]
    if before.heard is not None and after.heard is not None:
        told.wer = word_error_rate(before.text, after.text)
        found.append(_transcript(before, after, told.wer))
    if before.status == after.status == "completed":  # of a turn that did not come to its end the rest is unknown
        found += _work(told, before, after, meaning, disliked=disliked)
    told.changes = [change for change in found if change is not None]
    return told


def _work(
    told: Compared, before: LoggedTurn, after: LoggedTurn, meaning: Meaning, *, disliked: bool
) -> list[Change | None]:
    found = [_engine(before, after)]
    if (
        before.reply
        and after.reply
        and not _engine_of(before).get("backend") == _engine_of(after).get("backend") == FIXED
    ):
        told.similarity = meaning.cosine(before.reply, after.reply)
    if (intents := _intents(before, after, disliked=disliked)) is not None:
        return [intents, *found]  # all else follows from it
    found += [_slots(before, after, disliked=disliked), _tasks(before, after, disliked=disliked)]
    if not _says_tasks(before):
        found.append(_reply(before, after, meaning))
    return found


def _end(before: LoggedTurn, after: LoggedTurn) -> Change | None:
    """A replay interrupts nobody, so a turn that was interrupted is to come to its end."""
    if before.status == after.status or (before.status == "interrupted" and after.status == "completed"):
        return None
    worse: Verdict = "worse" if after.status != "completed" else "better"
    return Change(before.id, "end", worse, before.status, after.status)


def _transcript(before: LoggedTurn, after: LoggedTurn, wer: float) -> Change | None:
    if before.text == after.text:
        return None
    return Change(before.id, "transcript", "changed", before.text, after.text, f"{100 * wer:.0f}% of the words")


def _labels(turn: LoggedTurn) -> list[str]:
    return [str(intent.get("label")) for intent in turn.intents]


def _intents(before: LoggedTurn, after: LoggedTurn, *, disliked: bool) -> Change | None:
    then, now = _labels(before), _labels(after)
    if then == now:
        return None
    right = before.feedback.intent if before.feedback is not None else None
    verdict: Verdict = "changed" if disliked else "worse"
    why = "nobody had complained" if verdict == "worse" else "it had been disliked"
    if right is not None:
        verdict = "better" if right in now and right not in then else "worse" if right in then else "changed"
        why = f"it was said to be {right}"
    return Change(before.id, "intents", verdict, ", ".join(then), ", ".join(now), why)


def _slots(before: LoggedTurn, after: LoggedTurn, *, disliked: bool) -> Change | None:
    for then, now in zip(before.intents, after.intents, strict=True):
        one, other = _set_slots(then), _set_slots(now)
        names = [name for name in sorted({*one, *other}) if _meant(one.get(name)) != _meant(other.get(name))]
        if names:
            verdict: Verdict = "changed" if disliked else "worse"
            told = ["; ".join(f"{name}: {_shown(slots.get(name))}" for name in names) for slots in (one, other)]
            return Change(before.id, "slots", verdict, told[0], told[1])
    return None


def _set_slots(intent: Payload) -> dict[str, Any]:
    """The slots that are set, as values: the same moment may be written in more than one way."""
    read = Slots.model_validate(intent.get("slots") or {})
    return {name: value for name, value in read if value not in (None, False)}


def _meant(slot: Any) -> Any:
    """What a slot says, however it is written: a time by its moment, words without case and punctuation."""
    match slot:
        case When(at=at, all_day=all_day, text=text):
            return (at, all_day) if at is not None else words_of(text)
        case str():
            return words_of(slot)
        case _:
            return slot


def _shown(slot: Any) -> str:
    match slot:
        case When(text=text, at=at):
            return f"{text!r} ({at.isoformat(timespec='seconds') if at else 'no moment'})"
        case Money(value=value, currency=currency):
            return f"{value} {currency or ''}".strip()
        case None:
            return "-"
        case _:
            return str(slot)


def _outcomes(turn: LoggedTurn) -> list[tuple[str, bool, str]]:
    return [(str(t.get("skill")), bool(t.get("success")), str(t.get("message"))) for _, t in turn.tasks]


def _tasks(before: LoggedTurn, after: LoggedTurn, *, disliked: bool) -> Change | None:
    then, now = _outcomes(before), _outcomes(after)
    if then == now:
        return None
    done, done_now = sum(ok for _, ok, _ in then), sum(ok for _, ok, _ in now)
    verdict: Verdict = "changed" if disliked else "worse"
    if done_now > done:
        verdict = "better"
    return Change(before.id, "tasks", verdict, _said(then), _said(now))


def _said(outcomes: Sequence[tuple[str, bool, str]]) -> str:
    return " ".join(message for _, _, message in outcomes) or "nothing was done"


def _says_tasks(turn: LoggedTurn) -> bool:
    """Whether the reply is nothing but the skills' own words, which are compared as tasks."""
    rest = turn.reply
    for _, _, message in _outcomes(turn):
        rest = rest.replace(message, "")
    return bool(turn.tasks) and not rest.strip()


def _engine(before: LoggedTurn, after: LoggedTurn) -> Change | None:
    then, now = _engine_of(before), _engine_of(after)
    had_a_model = bool(then) and not then.get("fallback") and then.get("backend") not in NO_MODEL
    if not had_a_model or not (now.get("fallback") or now.get("backend") in NO_MODEL):
        return None
    told = f"{now.get('backend')}: {now.get('reason') or 'no model was asked'}"
    return Change(before.id, "engine", "worse", str(then.get("backend")), told, "a model had answered")


def _engine_of(turn: LoggedTurn) -> Mapping[str, Any]:
    return (turn.generated or {}).get("engine") or {}


def _reply(before: LoggedTurn, after: LoggedTurn, meaning: Meaning) -> Change | None:
    if before.reply == after.reply or not before.reply or not after.reply:
        return None
    similarity = meaning.cosine(before.reply, after.reply)
    told = f"similarity {similarity:.2f}"
    feedback = before.feedback
    if feedback is not None and feedback.correction:
        nearer = meaning.cosine(after.reply, feedback.correction) - meaning.cosine(before.reply, feedback.correction)
        verdict: Verdict = "better" if nearer > BETTER_FITTING else "worse" if nearer < -BETTER_FITTING else "changed"
        return Change(
            before.id, "reply", verdict, before.reply, after.reply, f"{told}; {nearer:+.2f} to the correction"
        )
    fit, fit_now = meaning.cosine(before.text, before.reply), meaning.cosine(before.text, after.reply)
    told += f"; fits the question {fit_now:.2f}, before {fit:.2f}"
    disliked = feedback is not None and feedback.liked is False
    worse = similarity < SAME_MEANING and fit_now <= fit + BETTER_FITTING and not disliked
    return Change(before.id, "reply", "worse" if worse else "changed", before.reply, after.reply, told)
