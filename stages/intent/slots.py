"""Fills an intent's slots from its words, label by label. Deterministic; what the words do not say stays empty."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from schemas.intents import IntentLabel, Slots, When
from stages.intent.amounts import Amount, amounts
from stages.intent.people import companion_in, debt_in, friend_in
from stages.intent.spoken import Spoken, spoken
from stages.intent.times import Moment, lengths, moments
from stages.intent.titles import cleaned, polite_removed, title_of, without


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

    def amounts(self) -> list[Amount]:
        """The sums that it names, no hour of the day among them."""
        return amounts(self.spoken, tuple(span for moment in self.moments for span in moment.spans))


def slots_of(label: IntentLabel, text: str, now: datetime) -> Slots:
    """The particulars of one intent. `now` stands in the person's zone, a ZoneInfo."""
    assert isinstance(now.tzinfo, ZoneInfo)
    said = spoken(text)
    return _FILLERS[label](Heard(said, tuple(moments(said, now, now.tzinfo)), now, now.tzinfo))


def _chosen(heard: Heard) -> Moment | None:
    """Which of several times says when: not one that describes something, unless there is no other."""
    plain = [moment for moment in heard.moments if not moment.attributive]
    return next(iter(plain or heard.moments), None)


def _spans(*chosen: Moment | None) -> list[tuple[int, int]]:
    return [span for moment in chosen if moment is not None for span in moment.spans]


def _reminder(heard: Heard) -> Slots:
    when = _chosen(heard)
    return Slots(title=title_of(IntentLabel.CREATE_REMINDER, heard.text, _spans(when)), when=when and when.when)


def _event(heard: Heard) -> Slots:
    when = _chosen(heard)
    title = title_of(IntentLabel.SCHEDULE_EVENT, heard.text, _spans(when))
    return Slots(
        title=title,
        when=when and when.when,
        until=when and when.until,
        person=companion_in(without(heard.text, _spans(when))),
    )


def _note(heard: Heard) -> Slots:
    return Slots(title=title_of(IntentLabel.CREATE_NOTE, heard.text, ()))


_NEW_TITLE: Final = re.compile(
    r"\b(?:to (?:say|read)|so (?:that )?it says|(?:should|to) be called|rename(?:d)?\b.*? (?:to|as|into)|call it|should say|"
    r"change the (?:title|name|text)\b.*? to|saying)\s+(?P<new>.+?)(?:,? (?:instead|not|rather)\b.*)?[.!?]*\Z",
    re.IGNORECASE,
)
_WHICH: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:reminders?|alarms?|alerts?|remind(?:ing)? me)\b(?: i (?:just )?(?:set|made|have)| you (?:just )?(?:set|made)| that i set| that)? "
        r"(?:about|for|to|of|called|concerning|regarding|named|with|titled) (?P<q>.+?)"
        r"(?=,|\.|\?|!|;| (?:to|from|by|until|till|should|so|say|is|at|on|instead|isn't|one|please|needs|has|anymore|any more|because|and|as|back|up|over|forward|down|earlier|later|off|weekly|daily|monthly|completely|altogether|for now)\b|\Z)",
        r"\b(?:the|my|that|your|this|any|every|each|our)\s+(?P<q>(?!(?:reminders?|alarms?|last|next|first|second|one|other|new|existing)\b)[\w'’ -]{2,40}?)\s+(?:reminders?|alarms?|alerts?)\b",
        r"\b(?:cancel|delete|remove|clear|erase|drop|scrap|bin|dismiss|kill|stop|forget|snooze|move|push|change|reschedule|postpone|update|delay|shift|edit|pull|get rid of|turn off|switch off)\s+(?P<q>(?!(?:the|my|all|every|each|both|that|this|it|any|a|an|one|reminders?|alarms?|everything)\b)[\w'’ -]{2,40}?)\s+(?:reminders?|alarms?|alerts?)\b",
        r"\b(?:take|get|strike|cross|remove|delete|drop|pull|wipe|knock|move|pull)\s+(?:the |my )?(?P<q>.+?)\s+(?:off|from|out of)\s+(?:my|the|your)\s+(?:\w+ )?(?:reminders?|list|to[- ]?dos?|alarms?)",
        r"\b(?:don't|do not|no need to|needn't|stop|never mind|nevermind|forget|no longer)\b.*?\b(?:remind(?:ing|ed)?|tell(?:ing)?|bother(?:ing)?|nag(?:ging)?|nudge|wake|waking)(?: me| us)?(?: up)?(?: about| to| of| for| that)? (?P<q>.+?)(?=,|\.|;|!|\?| (?:anymore|any more|after all|it's|i've|i'm|because|now|please|so|any longer)\b|\Z)",
        r"\b(?:be|being|get|getting) reminded (?:to|about|of|for) (?P<q>.+?)(?=,|\.|;|!|\?| (?:anymore|any more|after all|now|please)\b|\Z)",
        r"\b(?:reminders?|alarms?)\b.*?\b(?:saying|says|about|for|to) (?P<q>.+)\Z",
    )
)  # fmt: skip
_ALL: Final = re.compile(
    r"\b(?:all|every(?:thing)?|each|both|entire|whole|any)\b(?! (?:day|morning|night|evening|week|month|year|hour|\d|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|weekday|other))|\b(?:clear|empty|wipe|purge|reset|nuke)\b.*\b(?:reminders|list|alarms)\b"
    r"|\b(?:my|the) (?:\w+ )?(?:reminders|alarms)\b",
    re.IGNORECASE,
)
_VAGUE: Final = frozenset(
    "it that this them one all my the a an for of reminder reminders alarm alarms new last next latest previous existing "
    "current first second daily weekly recurring every each both any your our old other just set made to about on i you me us "
    "most recent same remaining rest today today's tomorrow's tonight's morning's was wake up wake-up".split()
)


def _which(text: str) -> str | None:
    """Which reminder is meant, by its telling words."""
    for pattern in _WHICH:
        for match in pattern.finditer(text):
            query = _telling(match["q"])
            if query:
                return query
    return None


def _telling(said: str) -> str | None:
    query = re.sub(r"\A(?:(?:all|any|every|each|both|of|that|the|my|our|your|this|a|an|to|about|daily|weekly|recurring|existing|last)\s+)+", "", cleaned(said), flags=re.IGNORECASE)
    query = re.sub(r"\s+(?:one|reminders?|alarms?|back|up|off)\Z", "", query, flags=re.IGNORECASE).strip()
    return query if set(re.findall(r"[\w'’]+", query.casefold())) - _VAGUE else None


def _update(heard: Heard) -> Slots:
    text = heard.text
    new = _NEW_TITLE.search(text)
    target = [m for m in heard.moments if m.target]
    plain = [m for m in heard.moments if not m.attributive]
    when = (target or plain or [None])[-1] if heard.moments else None  # type: ignore[list-item]  # None: nothing plain
    if new is not None and when is not None and not target and len(cleaned(new["new"])) > 2:
        when = None if all(start >= new.start("new") for start, _ in when.spans) and _only_title(when, heard) else when
    shift = _shift(heard) if when is None else None
    names = polite_removed(without(text, _spans(*heard.moments)))
    return Slots(
        title=_which(names) or _which(text),
        new_title=(cleaned(without(new["new"], ())) or None) if new else None,
        when=when.when if when else shift,
    )


def _only_title(when: Moment, heard: Heard) -> bool:
    """The time stands within the new title and is part of it."""
    return when.attributive and len(heard.moments) == 1


def _shift(heard: Heard) -> When | None:
    return next(iter(lengths(heard.spoken, heard.now, heard.zone)), None)


def _cancel(heard: Heard) -> Slots:
    names = polite_removed(without(heard.text, _spans(*heard.moments)))
    query = _which(names) or _which(heard.text)
    when = _chosen(heard) or next(iter(heard.moments), None)
    return Slots(query=query, when=when and when.when, all=bool(_ALL.search(heard.text)) and query is None)


_ABOUT: Final = re.compile(
    r"\b(?:about|regarding|concerning|related to|for|containing|mention(?:s|ing)?|with the word|with|tagged|called|named|titled|on|of) "
    r"(?P<q>(?!(?:my|the) (?:list|notes?|reminders?)\b)[^?.!,]+)",
    re.IGNORECASE,
)
_LIST_NAME: Final = re.compile(
    r"\b(?:my|the|our|a)\s+(?P<q>(?!(?:reminder|note|last|latest|first|second|newest)s?\b)(?:[\w'’-]+ ){1,2}?list)\b(?P<of> of (?P<what>[^?.!,]+))?",
    re.IGNORECASE,
)
_NOTED: Final = re.compile(
    r"\bwhat(?:'s| is| was| were| are)?\b(?: did)?(?: i)?\s?(?P<q>.*?)\b(?:(?:that |which )?(?:i|you)(?:'ve| have)?(?: just)? (?:noted|wrote|saved|jotted|put|told|stored))|"
    r"\b(?:the|my|that)\s+(?P<q2>(?!(?:\w+ )?(?:my|all|last|latest|of|recent|second|first|old)\b)[\w'’ -]{2,30}?)\s+(?:note|notes|memo)\b",
    re.IGNORECASE,
)
_IS_THERE: Final = re.compile(r"\A(?:is|are)\s+(?P<q>(?!there\b).+?)\s+(?:on|in|among)\s+(?:my|the)\b", re.IGNORECASE)


def _notes_asked(heard: Heard) -> Slots:
    when = _chosen(heard)
    bare = polite_removed(without(heard.text, _spans(when)))
    return Slots(query=_note_query(bare), when=when and when.when)


def _note_query(text: str) -> str | None:
    if (listed := _LIST_NAME.search(text)) is not None:
        return listed["what"].strip() if listed["what"] else listed["q"].strip()
    for pattern in (_IS_THERE, _ABOUT, _NOTED):
        match = pattern.search(text)
        if match is not None:
            query = next((value for value in match.groupdict().values() if value), "")
            query = re.sub(r"\s*\b(?:in|from|on|among|that i (?:noted|wrote|saved|made)|i (?:noted|wrote|saved|made|took|have))\b.*\Z", "", query)
            query = re.sub(r"\A(?:the|my|our|a|an|any|was|were|is)\s+", "", query.strip(), flags=re.IGNORECASE)
            query = cleaned(query)
            if query and not set(re.findall(r"[\w']+", query.casefold())) <= _NOTE_WORDS:
                return query
    return None


_NOTE_WORDS: Final = frozenset(
    "note notes list lists memo memos the my all of me i everything it that down file saved please was is did have".split()
)


def _reminders_asked(heard: Heard) -> Slots:
    when = _chosen(heard)
    bare = polite_removed(without(heard.text, _spans(when)))
    match = re.search(
        r"\b(?:reminders?|alarms?|remind me)\b.*?\b(?:about|for|to|concerning|regarding|related to|of) (?P<q>[^?.!,]+)", bare, re.IGNORECASE
    ) or re.search(r"\b(?:my|the|any) (?P<q>(?!reminders?|alarms?|active|next|upcoming|other|current|open|six)[\w'’ ]{2,30}?) (?:reminders?|alarms?)\b", bare, re.IGNORECASE)
    query = _telling(match["q"]) if match else None
    if query and set(re.findall(r"[\w']+", query.casefold())) <= _VAGUE | {"me", "do", "active", "upcoming", "there", "list", "up", "rest", "day"}:
        query = None
    return Slots(query=query, when=when and when.when)


_PURPOSE: Final = re.compile(
    r"\b(?:for|on|towards?|because of|from when|since|to buy|to get|as)\s+(?P<purpose>(?!me\b|us\b|now\b|you\b)[^\x00]+?)[\s.,!?]*\Z",
    re.IGNORECASE,
)


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
        purpose=_purpose(bare, debt.person) if chosen else None,
    )


def _purpose(text: str, person: str | None) -> str | None:
    """What a debt or an expense was for."""
    found = _PURPOSE.search(re.sub(r"\s+", " ", text))
    if found is None:
        return None
    said = re.sub(
        r",? (?:and |so |but )?(?:he|she|they|i)(?:'ll|'d|'s| will| would| has| have| can| said)\b.*\Z|,? (?:record|log|add|note|put|save|track) (?:it|that)\b.*\Z| each\b.*\Z| (?:to|in|on|under) my (?:ledger|expenses|spending|budget).*\Z",
        "",
        found["purpose"],
        flags=re.IGNORECASE,
    )
    purpose = re.sub(r"\A(?:the|a|an|his|her|their|my|our|some)\s+(?=\S)", "", cleaned(said), flags=re.IGNORECASE)
    if not purpose or (person and purpose.casefold() in {person.casefold(), person.casefold().removeprefix("my ")}):
        return None
    return purpose


_SPENT_ON: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\x00[\s,]*(?:each )?(?:to|for|on|at|towards?|in|under|as|from|went to|went on|worth of|of|into)?[\s,:]*(?:spent |paid |spending |purchase |expense |)(?:on |for |at |as |to |from |of )?(?P<p>.+)",
        r"\b(?:bought|buy|purchased|got|picked up|had|ordered|grabbed|renewed|subscribed to|topped up)\s+(?P<p>.+?)\s+(?:for|at|,)?\s*\x00",
        r"\A(?:expense|transaction|purchase|spending|work expense|bills?|new expense|cost|costs?)?[\s:,]*(?P<p>.+?)[\s,:]+(?:(?:just |has |have |had )?(?:cost|costs|was|were|is|came to|comes to|set me back|ran me|for|totalled|totaled|amounted to|at|cost us|cost me|down as|went for|runs)\b)?\s*(?:me |us |about |around )?\x00",
    )
)  # fmt: skip
_EXPENSE_COMMAND: Final = re.compile(
    r"\A(?:(?:log(?:ging)?|add(?:ing)?|record(?:ing)?|track(?:ing)?|note(?: down)?|enter|save|file|put|write(?: down)?|register|mark|count|charge|keep track of|create|make|"
    r"i(?:'m|'ve| have|'d)?|we(?:'ve| have)?|just|spent|paid|pay|dropped|blew|used|bought|purchased|got|picked up|also|an?|the|my|new|another|"
    r"expenses?|expenditure|purchase|transaction|spending|of|for|that|this|to|how about|it|down|in|please|recording|cost|donated|tipped|gave|invested|"
    r"payment|entry|costs?|as|on|today)\b[\s,:]*)+",
    re.IGNORECASE,
)
_EXPENSE_TAIL: Final = re.compile(
    r"[\s,;.]+(?:(?:please |and |so )*(?:add|log|record|track|note|put|save|enter|write|file|mark)(?: (?:it|that|this))?(?: (?:as an expense|down|please|in|to|under|on)\b.*)?|(?:to|in|on|under|into|from) (?:my |the )?"
    r"(?:expenses?|spending|budget|expense (?:list|report)|spendings|books|costs?|tracker|food budget)(?: list| tracker)?|as an expense|so far|altogether|all in|in total|today|each|"
    r"this (?:month|week|morning|evening|year)|last (?:month|week|night)|yesterday|tonight|expense|purchase|record it)[\s.!]*\Z",
    re.IGNORECASE,
)


def _expense(heard: Heard) -> Slots:
    sums = heard.amounts()
    chosen = next((s for s in sums if s.named), sums[-1] if sums else None)
    when = next((moment for moment in heard.moments if not moment.attributive), None)
    if chosen is None:
        return Slots(when=when and when.when)
    text = f"{heard.text[: chosen.start]}\x00{heard.text[chosen.end :]}"
    delta = 1 - (chosen.end - chosen.start)
    shifted = [(a, b) if a < chosen.start else (a + delta, b + delta) for a, b in _spans(when)]
    return Slots(amount=chosen.money, purpose=_spent_on(polite_removed(without(text, shifted))), when=when and when.when)


def _spent_on(text: str) -> str | None:
    while (shorter := _EXPENSE_TAIL.sub("", text).strip()) != text:
        text = shorter
    for pattern in _SPENT_ON:
        match = pattern.search(text)
        if match is None:
            continue
        said = match["p"].replace("\x00", " ")
        while (shorter := _EXPENSE_TAIL.sub("", f" {said}").strip()) != said:
            said = shorter
        said = _EXPENSE_COMMAND.sub("", said)
        purpose = re.sub(r"\A(?:the|a|an|my|our|some|this month's|this)\s+(?=\S)", "", cleaned(said), flags=re.IGNORECASE)
        if purpose:
            return purpose
    return None


def _friend(heard: Heard) -> Slots:
    return Slots(person=friend_in(polite_removed(heard.text)))


def _query(heard: Heard) -> Slots:
    when = _chosen(heard)
    return Slots(query=polite_removed(heard.text).strip(" .!?") or None, when=when and when.when)


def _scrap(heard: Heard) -> Slots:
    """What may be the answer to a question that was asked back: "at three", "fifty dollars"."""
    when = _chosen(heard)
    sums = heard.amounts()
    return Slots(when=when and when.when, amount=sums[0].money if sums and sums[0].named else None)


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
