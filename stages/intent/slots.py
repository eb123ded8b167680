"""Fills an intent's slots from its words, label by label. Deterministic; what the words do not say stays empty."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.intents import IntentLabel, Slots, When
from stages.intent.amounts import Amount, amounts
from stages.intent.people import companion_in, debt_in, friend_in
from stages.intent.purposes import SUM, owed_for, spent_on
from stages.intent.spoken import Spoken, spoken
from stages.intent.times import Moment, lengths, moments
from stages.intent.titles import cleaned, polite_removed, title_of, without
from stages.intent.which import means_all, note_meant, reminder_meant, reminders_listed

_SPEAK_OF_THE_PAST: Final = frozenset({IntentLabel.ADD_EXPENSE, IntentLabel.LIST_NOTES})
_COMMANDED: Final = re.compile(
    r"\b(?:remind|nudge|ping|alert|notify|buzz|poke|tell|wake|alarm|reminder|shout|let me know|heads[- ]up|"
    r"get me up)\b",
    re.IGNORECASE,
)
_NEW_TITLE: Final = re.compile(
    r"\b(?:to (?:say|read)|so (?:that )?it says|(?:should|to) be called|rename(?:d)?\b.*? (?:to|as|into)|call it|"
    r"should say|"
    r"make it say|change the (?:title|name|text)\b.*? to|saying)\s+(?P<new>.+?)(?:,? (?:instead|not|"
    r"rather)\b.*)?[.!?]*\Z",
    re.IGNORECASE,
)


MAX_CHARS: Final = 1_000  # what a longer text says beyond this is no slot; a note is kept whole


@dataclass(frozen=True, slots=True)
class Heard:
    """One part of an utterance, with the times that it names."""

    spoken: Spoken
    moments: tuple[Moment, ...]
    now: datetime
    zone: ZoneInfo

    @property
    def text(self) -> str:
        return self.spoken.original

    @property
    def when(self) -> Moment | None:
        """Which of several times says when: not one that describes something, unless there is no other."""
        plain = [moment for moment in self.moments if not moment.attributive]
        return next(iter(plain or self.moments), None)

    def amounts(self) -> list[Amount]:
        """The sums that it names, no hour of the day among them."""
        return amounts(self.spoken, tuple(_spans(*self.moments)))


def slots_of(label: IntentLabel, text: str, now: datetime) -> Slots:
    """The particulars of one intent. `now` stands in the person's zone, a ZoneInfo."""
    assert isinstance(now.tzinfo, ZoneInfo)
    said = spoken(text if label is IntentLabel.CREATE_NOTE else text[:MAX_CHARS])
    found = moments(said, now, now.tzinfo, past=label in _SPEAK_OF_THE_PAST)
    return _FILLERS[label](Heard(said, tuple(found), now, now.tzinfo))


def _spans(*chosen: Moment | None) -> list[tuple[int, int]]:
    return [span for moment in chosen if moment is not None for span in moment.spans]


def _said(moment: Moment | None) -> When | None:
    return moment.when if moment is not None else None


def _reminder(heard: Heard) -> Slots:
    when = heard.when
    if when is not None and (command := _COMMANDED.search(heard.text)) is not None:
        # "I fetch the kids at three, remind me at two": the time behind the command is the reminder's.
        later = [m for m in heard.moments if m.spans[0][0] >= command.start() and not m.attributive]
        when = later[0] if later and when.spans[0][0] < command.start() else when
    return Slots(title=title_of(IntentLabel.CREATE_REMINDER, heard.text, _spans(when)), when=_said(when))


def _event(heard: Heard) -> Slots:
    when = heard.when
    return Slots(
        title=title_of(IntentLabel.SCHEDULE_EVENT, heard.text, _spans(when)),
        when=_said(when),
        until=when.until if when is not None else None,
        person=companion_in(without(heard.text, _spans(when))),
    )


def _note(heard: Heard) -> Slots:
    return Slots(title=title_of(IntentLabel.CREATE_NOTE, heard.text, ()))


def _update(heard: Heard) -> Slots:
    new = _NEW_TITLE.search(heard.text)
    plain = [m for m in heard.moments if not m.attributive and m.when.at is not None]
    targets = [m for m in plain if m.target] or plain
    when: When | None = None
    if targets:
        when = targets[-1].until or targets[-1].when  # "from eight to nine"
    elif new is None:
        when = next(iter(lengths(heard.spoken, heard.now, heard.zone)), None)
    names = polite_removed(without(heard.text, _spans(*heard.moments)))
    new_title = cleaned(without(new["new"], ())) if new is not None else ""
    if new_title and targets and all(start >= new.start("new") for start, _ in targets[-1].spans if new is not None):
        new_title = cleaned(without(heard.text, [(0, new.start("new")), *_spans(targets[-1])])) if new else new_title
    return Slots(title=reminder_meant(names), new_title=new_title or None, when=when)


def _cancel(heard: Heard) -> Slots:
    query = reminder_meant(polite_removed(without(heard.text, _spans(*heard.moments))))
    return Slots(query=query, when=_said(heard.when), all=query is None and means_all(heard.text))


def _reminders_asked(heard: Heard) -> Slots:
    when = heard.when
    query = reminders_listed(polite_removed(without(heard.text, _spans(when))))
    return Slots(query=query, when=_said(when))


def _notes_asked(heard: Heard) -> Slots:
    when = heard.when
    return Slots(query=note_meant(polite_removed(without(heard.text, _spans(when)))), when=_said(when))


def _ledger(heard: Heard) -> Slots:
    sums = heard.amounts()
    chosen = next((s for s in sums if s.named), sums[0] if sums else None)
    spans = [(chosen.start, chosen.end)] if chosen else []
    debt = debt_in(heard.text, spans)
    bare = without(heard.text, [*spans, *_spans(*heard.moments)])
    return Slots(
        person=debt.person,
        direction=debt.direction,
        amount=chosen.money if chosen else None,
        purpose=owed_for(bare, debt.person) if chosen else None,
    )


def _expense(heard: Heard) -> Slots:
    sums = heard.amounts()
    chosen = next((s for s in sums if s.named), sums[-1] if sums else None)
    moment = next((m for m in heard.moments if not m.attributive), None)
    when = _said(moment)
    if when is not None and when.at is not None and when.at > heard.now:
        near = when.at - heard.now < timedelta(days=1)  # "had pizza tonight": it has been, and the event's time will do
        when = None if near else when
    if chosen is None:
        return Slots(when=when)
    text = f"{heard.text[: chosen.start]}{SUM}{heard.text[chosen.end :]}"
    by = len(SUM) - (chosen.end - chosen.start)
    spans = [(a, b) if a < chosen.start else (a + by, b + by) for a, b in _spans(moment)]
    return Slots(amount=chosen.money, purpose=spent_on(polite_removed(without(text, spans))), when=when)


def _friend(heard: Heard) -> Slots:
    return Slots(person=friend_in(polite_removed(heard.text)))


def _query(heard: Heard) -> Slots:
    return Slots(query=polite_removed(heard.text).strip(" .!?") or None, when=_said(heard.when))


def _scrap(heard: Heard) -> Slots:
    """What may be the answer to a question that was asked back: "at three", "fifty dollars"."""
    sums = heard.amounts()
    return Slots(when=_said(heard.when), amount=sums[0].money if sums and sums[0].named else None)


_FILLERS: Final[dict[IntentLabel, Callable[[Heard], Slots]]] = {
    IntentLabel.CREATE_REMINDER: _reminder,
    IntentLabel.LIST_REMINDERS: _reminders_asked,
    IntentLabel.UPDATE_REMINDER: _update,
    IntentLabel.CANCEL_REMINDER: _cancel,
    IntentLabel.CREATE_NOTE: _note,
    IntentLabel.LIST_NOTES: _notes_asked,
    IntentLabel.CREATE_LEDGER: _ledger,
    IntentLabel.ADD_EXPENSE: _expense,
    IntentLabel.SCHEDULE_EVENT: _event,
    IntentLabel.ADD_FRIEND: _friend,
    IntentLabel.CHIT_CHAT: _scrap,
    IntentLabel.GENERAL_QUERY: _query,
    IntentLabel.UNKNOWN: _scrap,
}
