"""Which reminder or note is meant: the telling words of "cancel the one about the vet", "my notes on the kitchen".

What they match among those that exist is the router's business. Works on texts without their times.
"""

import re
from typing import Final

from stages.intent.titles import cleaned

_ENDS_AT: Final = (
    r"(?=,|\.|\?|!|;| (?:to|from|by|until|till|should|so|say|is|at|on|instead|isn't|one|please|needs|has|anymore|"
    r"any more|"
    r"because|and|as|back|up|over|forward|down|earlier|later|off|weekly|daily|monthly|completely|altogether|"
    r"for now)\b|\Z)"
)
# Words of a name before "reminder": it begins with none that commands and holds none that joins.
_NAME_BEFORE: Final = (
    r"(?P<q>(?!(?:reminders?|alarms?|last|next|first|second|one|other|new|existing|the|my|all|every|each|both|that|"
    r"this|"
    r"it|any|a|an|everything)\b)(?:(?!\b(?:so|and|cancel|delete|remove|which|out|off|from|in|on|of|my|your|i|you|"
    r"me|about|due)\b)"
    r"[\w'’ -]){2,40}?)"
)
_COMMAND: Final = (
    r"(?:cancel|delete|remove|clear|erase|drop|scrap|bin|dismiss|kill|stop|forget|snooze|move|push|change|reschedule|"
    r"postpone|update|delay|shift|edit|pull|get rid of|turn off|switch off|trash|modify|adjust|rename|set)"
)
_REMINDER: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:take|get|strike|cross|remove|delete|drop|pull|wipe|knock|move|cut)\s+(?:the |my )?(?P<q>.+?)\s+"
        r"(?:off|from|out of)\s+(?:of )?(?:my|the|your)\s+(?:\w+ )?(?:reminders?|list|to[- ]?dos?|alarms?)",
        r"\b(?:reminders?|alarms?|alerts?|remind(?:ing)? me)\b"
        r"(?: i (?:just )?(?:set|made|have)| you (?:just )?(?:set|made)| that i set| that)? "
        rf"(?:about|for|to|of|called|concerning|regarding|named|with|titled) (?P<q>.+?){_ENDS_AT}",
        rf"\b(?:the|my|that|your|this|any|every|each|our|all)\s+{_NAME_BEFORE}\s+(?:reminders?|alarms?|alerts?|ones?)\b",
        rf"\b{_COMMAND}\s+{_NAME_BEFORE}\s+(?:reminders?|alarms?|alerts?)\b",
        r"\b(?:don't|do not|no need to|needn't|stop|never mind|nevermind|forget|no longer)\b.*?"
        r"\b(?:remind(?:ing|ed)?|tell(?:ing)?|bother(?:ing)?|nag(?:ging)?|nudge|wake|waking)(?: me| us)?(?: up)?"
        r"(?: about| to| of| for| that)? (?P<q>.+?)"
        r"(?=,|\.|;|!|\?| (?:anymore|any more|after all|it's|i've|i'm|because|now|please|so|any longer)\b|\Z)",
        r"\b(?:be|being|get|getting) reminded (?:to|about|of|for) (?P<q>.+?)"
        r"(?=,|\.|;|!|\?| (?:anymore|any more|after all|now|please)\b|\Z)",
        rf"\b(?:the )?one (?:about|for|to) (?P<q>.+?){_ENDS_AT}",
        r"\b(?:reminders?|alarms?)\b.*?\b(?:saying|says|about|for|to) (?P<q>.+)\Z",
    )
)
_ALL: Final = re.compile(
    r"\b(?:all|every(?:thing)?|each|both|entire|whole|any)\b(?! (?:day|morning|night|evening|week|month|year|hour|"
    r"\d|other|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day))"
    r"|\b(?:clear|empty|wipe|purge|reset|nuke)\b.*\b(?:reminders|list|alarms)\b"
    r"|\b(?:my|the) (?:\w+ )?(?:reminders|alarms)\b",
    re.IGNORECASE,
)
_TELLS_NOTHING: Final = (
    "it that this them one all my the a an for of reminder reminders alarm alarms new last next latest "
    "previous existing current first second daily weekly recurring every each both any your our old other just "
    "set made to about on i you me us most recent same remaining rest today today's tomorrow's tonight's "
    "morning's was wake up wake-up everything due out off thing things"
)
_TELLS_NOTHING_IN_LISTS: Final = (
    "do active upcoming there list rest day what did have got still set open something anything else"
)
_TELLS_NOTHING_IN_NOTES: Final = (
    "note notes list lists memo memos the my all of me i everything it that down file saved please was is did have"
)
_VAGUE: Final = frozenset(_TELLS_NOTHING.split())
_LISTING: Final = _VAGUE | frozenset(_TELLS_NOTHING_IN_LISTS.split())
_NOTE_WORDS: Final = frozenset(_TELLS_NOTHING_IN_NOTES.split())
_LISTED: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:reminders?|alarms?|remind me)\b.*?\b(?:about|for|to|concerning|regarding|related to|of) (?P<q>[^?.!,]+)",
        r"\b(?:my|the|any) (?P<q>(?!reminders?|alarms?|active|next|upcoming|other|current|open)[\w'’ ]{2,30}?) "
        r"(?:reminders?|alarms?)\b",
    )
)
_NOTE_LIST: Final = re.compile(
    r"\b(?:my|the|our|a)\s+(?P<q>(?!(?:reminder|note|last|latest|first|second|newest)s?\b)(?:[\w'’-]+ ){1,2}?list)\b"
    r"|\b(?:my|the|our|a) list of (?P<what>[^?.!,]+)",
    re.IGNORECASE,
)
_NOTE: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:about|regarding|concerning|related to|for|containing|mention(?:s|ing)?|with the word|with|tagged|called|"
        r"named|titled|on|of|from) (?P<q>(?!(?:my|the) (?:list|notes?|reminders?)\b)[^?.!,]+)",
        r"\bwhat(?:'s| is| was| were| are)?\b(?: did)?(?: i)?\s?(?P<q>.*?)\b(?:(?:that |which )?"
        r"(?:i|you)(?:'ve| have)?(?: just)? (?:noted|wrote|saved|jotted|put|told|stored))",
        r"\b(?:the|my|that)\s+(?P<q>(?!(?:\w+ )?(?:my|all|last|latest|of|recent|second|first|old)\b)[\w'’ -]{2,30}?)\s+"
        r"(?:note|notes|memo)\b",
    )
)
_IS_THERE: Final = re.compile(r"\A(?:is|are)\s+(?P<q>(?!there\b).+?)\s+(?:on|in|among)\s+(?:my|the)\b", re.IGNORECASE)


def reminder_meant(text: str) -> str | None:
    """Which reminder is to be changed or cancelled, by its telling words."""
    found = (_telling(match["q"], _VAGUE) for pattern in _REMINDER for match in pattern.finditer(text))
    return next((query for query in found if query), None)


def reminders_listed(text: str) -> str | None:
    """What the reminders asked for are about."""
    found = (_telling(match["q"], _LISTING) for pattern in _LISTED for match in pattern.finditer(text))
    return next((query for query in found if query), None)


def means_all(text: str) -> bool:
    """ "all of them", "clear my list", "my alarms"."""
    return _ALL.search(text) is not None


def note_meant(text: str) -> str | None:
    """What the notes asked for are about, or which list is meant."""
    if (there := _IS_THERE.match(text)) is not None:
        return _note_query(there["q"])
    if (listed := _NOTE_LIST.search(text)) is not None:
        return (listed["what"] or listed["q"]).strip()
    found = (_note_query(match["q"]) for pattern in _NOTE if (match := pattern.search(text)) is not None)
    return next((query for query in found if query), None)


def _telling(said: str, vague: frozenset[str]) -> str | None:
    query = re.sub(
        r"\A(?:(?:all|any|every|each|both|of|that|the|my|our|your|this|a|an|to|about|daily|weekly|recurring|"
        r"existing|last)"
        r"\s+)+",
        "",
        cleaned(said),
        flags=re.IGNORECASE,
    )
    query = re.sub(r"\s+(?:one|reminders?|alarms?|back|up|off)\Z", "", query, flags=re.IGNORECASE).strip()
    return query if set(re.findall(r"[\w'’]+", query.casefold())) - vague else None


def _note_query(said: str) -> str | None:
    query = re.sub(
        r"\s*\b(?:in|from|on|among|(?:that )?i (?:noted|wrote|saved|made|took|have))\b.*\Z",
        "",
        said,
        flags=re.IGNORECASE,
    )
    query = re.sub(r"\A(?:the|my|our|a|an|any|was|were|is)\s+", "", query.strip(), flags=re.IGNORECASE)
    query = cleaned(query)
    return query if set(re.findall(r"[\w']+", query.casefold())) - _NOTE_WORDS else None
