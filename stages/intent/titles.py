"""Cuts a clean title out of an utterance: without its times, its command words, politeness or dangling prepositions.

"could you please remind me to call Mum at six" -> "call Mum". Knows which words command what; finds no times itself.
"""

import re
from collections.abc import Sequence
from typing import Final

from schemas.intents import IntentLabel
from stages.intent.commands import COMMANDS

Spans = Sequence[tuple[int, int]]

_POLITE: Final = re.compile(
    r"\A(?:(?:please|hey|hi|hello|ok(?:ay)?|so|um+|uh+|well|now|oh|and|also|then|just|actually|yes|yeah|no|parley|"
    r"maybe|"
    r"kindly|quick(?:ly)?|if you (?:can|could|would)|do me a favou?r(?: and)?|go ahead and|be so kind and|let's|let us|"
    r"(?:can|could|would|will|may|might) (?:you|i|we)(?: please)?(?: mind)?(?: just)?(?: have| get)?(?= )|"
    r"i(?:'d| would) (?:like|love|want)(?: for)?(?: you)?(?: to)?(?: have)?(?= )|i (?:want|need|wish)(?: for)? you to|"
    r"i(?:'m| am) gonna need(?: you to)?|i(?:'ll| will) need(?: you to)?|you (?:should|need to|have to|can|could)|"
    r"i (?:wanna|want to|need to|have to)(?= (?:set|make|create|add|schedule|book|arrange|plan|note|write|record|"
    r"log|save|"
    r"be reminded|change|move|cancel|delete|put|store))|"
    r"thanks|thank you|don't forget to(?= (?:remind|note|add|put))|make sure (?:you |to )(?=(?:remind|note|add|put)))"
    r"[\s,:!.]+)+",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"(?:[\s,;:.!?\-–—]+(?:please|thanks|thank you|for me|for us|ok(?:ay)?|will you|would you|could you|can you|cheers|"
    r"if you can|parley|mate|at the latest|sharp|or so|as well|too|again|right away|"
    r"(?:an?|one|two|three|\d+) (?:minute|hour|day|week)s? (?:before(?:hand)?|ahead|in advance|early)|the (?:day|"
    r"night|week|evening|morning) before(?:hand)?))+[\s.!?]*\Z",
    re.IGNORECASE,
)
_TRAILING: Final = re.compile(
    r"[\s,;:.!?\-–—]+(?:at|on|in|by|for|to|from|about|and|or|of|until|till|every|around|this|next|then|so|the|with|"
    r"that|"
    r"because|but|before|after|when|a|an|is|it's|between|starting|beginning|during|up|due(?= *\Z)|through|i|as|"
    r"each)[\s.!?]*\Z",
    re.IGNORECASE,
)
_LEADING: Final = re.compile(
    r"\A(?:to|that|about|of|for|at|on|in|by|from|and|so|then|is|it's|which|with|called|named|titled|saying|says|say|it|"
    r"regarding|concerning|reading|stating)\b[\s,:]*",
    re.IGNORECASE,
)
_OBLIGATION: Final = re.compile(
    r"\A(?:(?:that )?(?:i|we)(?:'ve| have)?(?: still| really| also)? (?:have to|need to|must|should|got to|gotta|"
    r"am to|ought to|"
    r"want to|wanted to|am supposed to|mustn't forget to|can't forget to)|i'm supposed to|i'm meant to|"
    r"i was going to|to|"
    r"(?:it's )?time to|i can|so (?:that )?i(?: can)?|i've gotta|i always forget(?: to)?|i keep forgetting(?: to)?)\s+",
    re.IGNORECASE,
)
_DETERMINER: Final = re.compile(r"\A(?:an?|the|my|our|some)\s+(?=\S)", re.IGNORECASE)
_QUOTES: Final = re.compile(r"[\"“„«](?P<inner>[^\"”»]{2,})[\"”»]")
_EDGES: Final = " \t\n,;:.!?-–—"
_QUOTED: Final = re.compile(r"\A[\"“„](?P<inner>[^\"“”„]*)[\"”]?\Z|\A(?P<left>[^\"“”„]*)[\"”]\Z")

_WAKE: Final = re.compile(r"\A(?:wake (?:me|us)(?: up)?|get me (?:up|out of bed)|wake[- ]?up call)\Z", re.IGNORECASE)
_STATED: Final = re.compile(
    r"\A(?:(?:we|i|there|it|this|that)(?:'ve| have|'s| is| are|'re|'m| am| will be|'ll be)?(?: also| got| having|"
    r" going to be| going to| got to go to)*|"
    r"new (?:event|entry|appointment)|event|for)\s+(?=\S)",
    re.IGNORECASE,
)
_NAMES_NOTHING: Final = (
    "a an the my me it that this them something someone some stuff thing things one reminder reminders alarm "
    "alarms note notes memo event events entry calendar please new for to set add create make schedule another "
    "up i want need like in on down us list idea of later you do can anything else quick let know with remind "
    "reminding reminded take write jot each time put tell record notify alert be"
)
_EMPTY: Final = frozenset(_NAMES_NOTHING.split())


def without(text: str, spans: Spans) -> str:
    """A text without the given stretches, and without the gaps that they leave."""
    kept, at = [], 0
    for start, end in sorted(spans):
        if start > at:
            kept.append(text[at:start])
        at = max(at, end)
    kept.append(text[at:])
    joined = re.sub(r"\s+", " ", " ".join(kept)).strip()
    joined = re.sub(r"\s+([,;.!?])", r"\1", joined)
    return re.sub(r"([,;]\s*)+(?=[,;.!?])", "", joined).strip(" ,;")


def polite_removed(text: str) -> str:
    """A text without "could you please" before it and "thanks" behind it."""
    text = text.strip()
    while (shorter := _TAIL.sub("", _POLITE.sub("", text)).strip()) not in {text, ""}:
        text = shorter
    return text


def title_of(label: IntentLabel, text: str, times: Spans) -> str | None:
    """What the reminder, note or event is called; None when the words name nothing."""
    bare = polite_removed(without(text, times)).strip(" ,;:-–—")
    if not bare or _is_empty(bare):
        return _bare_alarm(label, bare)
    for pattern in COMMANDS[label]:
        match = pattern.search(bare)
        if match is None:
            continue
        named = match.groupdict()
        title = _listed(named) if named.get("list") else cleaned(named.get("title") or "", label)
        if title and not _is_empty(title):
            return _WAKE.sub("wake up", title)
    return _bare_alarm(label, bare)


def _bare_alarm(label: IntentLabel, bare: str) -> str | None:
    """An alarm needs no other name."""
    return "alarm" if label is IntentLabel.CREATE_REMINDER and re.search(r"\balarm\b", bare, re.IGNORECASE) else None


def _listed(named: dict[str, str | None]) -> str | None:
    """A note for a list: "shopping list: milk and eggs"."""
    which = (named.get("list") or "").strip()
    about = (named.get("name") or "").strip(_EDGES)
    item = " ".join(filter(None, ((named.get("item") or "").strip(_EDGES), (named.get("rest") or "").strip(_EDGES))))
    heading = about or which
    if re.fullmatch(r"(?:my |the )?notes?", which, re.IGNORECASE):
        return item or None
    if about and not item:
        return f"{which}: {about}" if which.casefold() not in {"list", "new list"} else f"list: {about}"
    return f"{heading}: {item}" if item else heading or None


def cleaned(title: str, label: IntentLabel | None = None) -> str:
    """A title without what dangles at its edges."""
    if (quoted := _QUOTES.search(title)) and len(quoted["inner"]) > len(title) // 2:
        return quoted["inner"].strip(_EDGES)
    before = None
    while title != before:
        before = title
        title = title.strip(_EDGES)
        title = _TAIL.sub("", title)
        title = _TRAILING.sub("", title)
        title = _OBLIGATION.sub("", title)
        if label is not IntentLabel.CREATE_NOTE:
            title = _LEADING.sub("", title)
        else:
            title = re.sub(r"\A(?:that|saying|about|to|of)\s+", "", title, flags=re.IGNORECASE)
    if (inner := _QUOTED.match(title)) is not None:
        title = (inner["inner"] or inner["left"] or "").strip(_EDGES)
    if label is IntentLabel.SCHEDULE_EVENT:
        title = _STATED.sub("", title)
    if label is not None and label is not IntentLabel.CREATE_NOTE:
        title = _DETERMINER.sub("", title)
    return title


def _is_empty(title: str) -> bool:
    return not set(re.findall(r"[\w']+", title.casefold())) - _EMPTY
