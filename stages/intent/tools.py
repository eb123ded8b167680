"""Makes an intent of a tool call that a model proposed: fills what is missing or `auto`, repairs, or refuses with why.

Pure: the utterance, the moment, and what is known of the person are given as data. A proposal is believed as far as the
person's own words bear it out; beyond that the words are read by the same deterministic parsers as ever, so whichever
engine proposed, and however well, nothing comes out that nobody said. What a proposal leaves open is filled from the
words first, then from the person's state, their defaults and the clock.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from schemas.contracts import AUTO, SlotsAnswer, ToolCall, ToolCalls
from schemas.contracts.slots import SLOTS
from schemas.contracts.tools import TOOLS
from schemas.intents import Intent, IntentLabel, Money, Slots, When
from stages.intent.amounts import amounts
from stages.intent.slots import slots_of
from stages.intent.spoken import spoken
from stages.intent.times import moments

_NOTHING: Final = frozenset({AUTO, "", "none", "null", "n/a", "na", "unknown", "nothing", "not specified", "words"})
_WORD: Final = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)?")
_SMALL_WORDS: Final = "a an the my me i to for of at on in by with and it is that this please from"
_SMALL: Final = frozenset(_SMALL_WORDS.split())
NEEDED: Final[Mapping[IntentLabel, str]] = MappingProxyType(
    {
        IntentLabel.CREATE_REMINDER: "title",
        IntentLabel.CREATE_NOTE: "title",
        IntentLabel.SCHEDULE_EVENT: "title",
        IntentLabel.ADD_FRIEND: "person",
    }
)
"""The slot without which there is nothing to act on. All else the skill asks for, or has a default for."""
_WHICH: Final[Mapping[IntentLabel, str]] = MappingProxyType(
    {IntentLabel.UPDATE_REMINDER: "title", IntentLabel.CANCEL_REMINDER: "query"}
)
"""The slot that says which of the person's reminders is meant."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a tool call is resolved from besides itself."""

    utterance: str
    now: datetime  # in the person's zone, a ZoneInfo
    currency: str = "USD"  # ISO 4217: of sums without one
    reminders: tuple[str, ...] = ()  # titles of the open ones, the next one first
    friends: tuple[str, ...] = ()  # names as the person spells them


@dataclass(frozen=True, slots=True)
class Resolved:
    """A call that can be acted on, and what of the proposal was put right."""

    intent: Intent
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that is not acted on, and why: a sentence that names the tool and the argument."""

    tool: IntentLabel
    reason: str


def resolve_all(proposed: ToolCalls, known: Known) -> tuple[Resolved | Refused, ...]:
    """Every call, in the order in which it was proposed; the same thing a second time is refused."""
    done: list[Intent] = []
    results: list[Resolved | Refused] = []
    for call in proposed.calls:
        result = resolve(call, known)
        if isinstance(result, Resolved):
            if result.intent in done:
                result = Refused(call.tool, f"{call.tool}: proposed a second time with the same arguments")
            else:
                done.append(result.intent)
        results.append(result)
    return tuple(results)


def resolve(call: ToolCall, known: Known) -> Resolved | Refused:
    """The intent that a call stands for. Never raises for what a model proposed."""
    label = IntentLabel(call.tool)
    if label not in TOOLS:
        return Refused(label, f"{label}: is no tool; there are {', '.join(TOOLS)}")
    slots, repairs = filled(label, call.arguments, known)
    needed = NEEDED.get(label)
    if needed is not None and getattr(slots, needed) is None:
        return Refused(label, f"{label}: {_because(needed, repairs)}")
    intent = Intent(label=label, confidence=1.0, text=known.utterance, slots=slots, decided_by="engine")
    return Resolved(intent, repairs)


def filled(label: IntentLabel, proposed: SlotsAnswer, known: Known) -> tuple[Slots, tuple[str, ...]]:
    """The slots of an intent from a proposal, and what was put right in it."""
    work = _Work(label, known, slots_of(label, known.utterance, known.now), [])
    told: dict[str, object] = {}
    for name in SLOTS[label].model_fields:
        said = str(getattr(proposed, name, AUTO))
        left_open = " ".join(said.split()).casefold() in _NOTHING
        told[name] = _READERS[name](work, name, None if left_open else said)
    return Slots.model_validate(told), tuple(work.repairs)


@dataclass(frozen=True, slots=True)
class _Work:
    """One call that is being resolved. `own` is what the words say without any model."""

    label: IntentLabel
    known: Known
    own: Slots
    repairs: list[str]

    @property
    def zone(self) -> ZoneInfo:
        assert isinstance(self.known.now.tzinfo, ZoneInfo)
        return self.known.now.tzinfo

    def unsaid(self, name: str, said: str) -> None:
        self.repairs.append(f"{name}: nobody said {said!r}")


def _text(work: _Work, name: str, said: str | None) -> str | None:
    """Words of the utterance, or the title of a reminder that there is."""
    own: str | None = getattr(work.own, name)
    which = _WHICH.get(work.label) == name
    if said is not None:
        if which and (title := _same(said, work.known.reminders)) is not None:
            return title
        if _is_said(said, work.known.utterance):
            return said
        work.unsaid(name, said)
    if own is None and which and len(work.known.reminders) == 1 and not work.own.all:
        return work.known.reminders[0]  # there is no other that could be meant
    return own


def _person(work: _Work, name: str, said: str | None) -> str | None:
    """A person who was named, spelled as among the friends."""
    person = _text(work, name, said)
    return person if person is None else _same(person, work.known.friends) or person


def _when(work: _Work, name: str, said: str | None) -> When | None:
    """A time that was named; the day on which money was spent is today unless another was."""
    own: When | None = getattr(work.own, name)
    if said is not None:
        if not _is_said(said, work.known.utterance):
            work.unsaid(name, said)
        elif (read := _moment(work, said)) is not None:
            return read
        else:
            work.repairs.append(f"{name}: {said!r} is no time that can be read")
    if own is None and work.label is IntentLabel.ADD_EXPENSE:
        return When(text="now", at=work.known.now)
    return own


def _moment(work: _Work, said: str) -> When | None:
    past = work.label in (IntentLabel.ADD_EXPENSE, IntentLabel.LIST_NOTES)
    found = (moment.when for moment in moments(spoken(said), work.known.now, work.zone, past=past))
    return next((when for when in found if when.at is not None), None)


def _amount(work: _Work, name: str, said: str | None) -> Money | None:
    """A sum that was named, in the person's currency unless another was."""
    del name
    money = work.own.amount
    if said is not None:
        proposed = [found.money for found in amounts(spoken(said))]
        named = {found.money.value: found.money for found in amounts(spoken(work.known.utterance))}
        if proposed and proposed[0].value in named:
            # The currency is the one that was said with the sum, not one that the model likes better.
            money = named[proposed[0].value]
        else:
            work.unsaid("amount", said)
    if money is None or money.currency is not None:
        return money
    return Money(value=money.value, currency=work.known.currency)


def _direction(work: _Work, name: str, said: str | None) -> str | None:
    """Who owes whom: the words' own saying of it first, since a model that errs here turns a debt round."""
    if work.own.direction is not None and said not in (None, work.own.direction):
        work.repairs.append(f"{name}: the words say {work.own.direction}, not {said}")
    return work.own.direction or said


def _all(work: _Work, name: str, said: str | None) -> bool:
    """Everything at once, only when the words say so: it destroys the most."""
    if said == "yes" and not work.own.all:
        work.unsaid(name, "all of them")
    return work.own.all and said != "no"


_READERS: Final[Mapping[str, Callable[[_Work, str, str | None], object]]] = MappingProxyType(
    {
        "title": _text,
        "new_title": _text,
        "query": _text,
        "purpose": _text,
        "person": _person,
        "when": _when,
        "until": _when,
        "amount": _amount,
        "direction": _direction,
        "all": _all,
    }
)


def _is_said(proposed: str, utterance: str) -> bool:
    """Whether all telling words of a proposal stand in the utterance, numbers as digits or as words."""
    words = _words(proposed)
    telling = words - _SMALL
    return bool(words) and (telling or words) <= _words(utterance)


def _words(text: str) -> set[str]:
    return {word.casefold().replace("’", "'") for word in _WORD.findall(spoken(text).canonical)}


def _same(said: str, titles: Sequence[str]) -> str | None:
    """The title that is written alike."""
    return next((title for title in titles if _words(title) == _words(said) != set()), None)


def _because(needed: str, repairs: Sequence[str]) -> str:
    unheard = f"{needed}: the words name none, and there is no default for it"
    return next((repair for repair in repairs if repair.startswith(f"{needed}: ")), unheard)
