"""Cuts a clean title out of an utterance: without its times, its command words, politeness or dangling prepositions.

"could you please remind me to call Mum at six" -> "call Mum". Knows which words command what; finds no times itself.
"""

import re
from collections.abc import Sequence
from typing import Final

from schemas.intents import IntentLabel

Spans = Sequence[tuple[int, int]]

_POLITE: Final = re.compile(
    r"\A(?:(?:please|hey|hi|hello|ok(?:ay)?|so|um+|uh+|well|now|oh|and|also|then|just|actually|yes|yeah|no|parley|maybe|"
    r"kindly|quick(?:ly)?|if you (?:can|could|would)|do me a favou?r(?: and)?|go ahead and|be so kind and|let's|let us|"
    r"(?:can|could|would|will|may|might) (?:you|i|we)(?: please)?(?: mind)?(?: just)?(?: have| get)?(?= )|"
    r"i(?:'d| would) (?:like|love|want)(?: for)?(?: you)?(?: to)?(?: have)?(?= )|i (?:want|need|wish)(?: for)? you to|"
    r"i(?:'m| am) gonna need(?: you to)?|i(?:'ll| will) need(?: you to)?|you (?:should|need to|have to|can|could)|"
    r"i (?:wanna|want to|need to|have to)(?= (?:set|make|create|add|schedule|book|arrange|plan|note|write|record|log|save|"
    r"be reminded|change|move|cancel|delete|put|store))|"
    r"thanks|thank you|don't forget to(?= (?:remind|note|add|put))|make sure (?:you |to )(?=(?:remind|note|add|put)))"
    r"[\s,:!.]+)+",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"(?:[\s,;:.!?\-–—]+(?:please|thanks|thank you|for me|for us|ok(?:ay)?|will you|would you|could you|can you|cheers|"
    r"if you can|parley|mate|at the latest|sharp|or so|as well|too|again|right away|"
    r"(?:an?|one|two|three|\d+) (?:minute|hour|day|week)s? (?:before(?:hand)?|ahead|in advance|early)))+[\s.!?]*\Z",
    re.IGNORECASE,
)
_TRAILING: Final = re.compile(
    r"[\s,;:.!?\-–—]+(?:at|on|in|by|for|to|from|about|and|or|of|until|till|every|around|this|next|then|so|the|with|that|"
    r"because|but|before|after|when|a|an|is|it's|between|starting|beginning|during|up|due(?= *\Z)|through|i|as|each)[\s.!?]*\Z",
    re.IGNORECASE,
)
_LEADING: Final = re.compile(
    r"\A(?:to|that|about|of|for|at|on|in|by|from|and|so|then|is|it's|which|with|called|named|titled|saying|says|say|it|"
    r"regarding|concerning|reading|stating)\b[\s,:]*",
    re.IGNORECASE,
)
_OBLIGATION: Final = re.compile(
    r"\A(?:(?:that )?(?:i|we)(?:'ve| have)?(?: still| really| also)? (?:have to|need to|must|should|got to|gotta|am to|ought to|"
    r"want to|wanted to|am supposed to|mustn't forget to|can't forget to)|i'm supposed to|i'm meant to|i was going to|to|"
    r"(?:it's )?time to|i can|so (?:that )?i(?: can)?|i've gotta|i always forget(?: to)?|i keep forgetting(?: to)?)\s+",
    re.IGNORECASE,
)
_DETERMINER: Final = re.compile(r"\A(?:an?|the|my|our|some)\s+(?=\S)", re.IGNORECASE)
_QUOTES: Final = re.compile(r"[\"“„«](?P<inner>[^\"”»]{2,})[\"”»]")
_EDGES: Final = " \t\n,;:.!?-–—"
_QUOTED: Final = re.compile(r"\A[\"“„](?P<inner>[^\"“”„]*)[\"”]?\Z|\A(?P<left>[^\"“”„]*)[\"”]\Z")

_REMIND: Final = (
    r"(?:remind(?:ing)?|nudge|ping|alert|notify|buzz|poke|prompt|tell|warn|text|call|bug|pester|inform)"
)
_ALARM: Final = r"(?:reminders?|alarms?|alerts?|nudge|notification|timer|wake[- ]?up(?: call)?|heads[- ]up)"
_KINDS: Final = (
    r"(?:new |daily |weekly |monthly |recurring |quick |another |repeating |little |hourly |nightly |yearly |short |single )*"
)
# For each label: patterns tried in order on the text without times and politeness. `title` is what is kept.
_COMMANDS: Final[dict[IntentLabel, tuple[re.Pattern[str], ...]]] = {
    label: tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in patterns)
    for label, patterns in {
        IntentLabel.CREATE_REMINDER: (
            rf"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:so |and |then |please |can you |could you |)*{_REMIND} (?:me|us)"
            r"(?: (?:then|of it|of that|about it|about that|to do it|to do that|again|that day|about this|an? \w+ before|each time|please|first))*[\s.!?]*\Z",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:so |and |then |please |can you |could you |)*(?:(?:set|make|create|add) (?:me )?(?:a|an) (?:reminder|alarm)(?: (?:for|about) (?:it|that))?|"
            r"give me a (?:shout|nudge|heads[- ]up|reminder)|don't let me forget(?: it| that)?|i need a reminder)[\s.!?]*\Z",
            rf"\b(?:{_REMIND}) (?:me|us|myself)(?: (?:again|please|later|in time))*[\s,:]+(?:(?:to|that|about|of|when|when it's|for|it's|i|we|not to|regarding|with|how|why|where|who|what|as|so|the|my)\b)(?<=to)\s+(?P<title>.+)",
            rf"\b(?:{_REMIND}) (?:me|us|myself)(?: (?:again|please|later|in time))*[\s,:]+(?:that|about|of|for|regarding|with)?\s*(?P<title>.+)",
            rf"\b(?:be|get) (?:reminded|told|notified|alerted)[\s,:]+(?:to|about|of|that)?\s*(?P<title>.+)",
            rf"\b(?:set|make|create|add|put|start|schedule|give me|get me|need|want|have|place|get|new|save|enter|leave|i'd like|like|program|in)\b(?: (?:up|in|down|me|us|myself))*(?: an?| the| my| another| one)? ?{_KINDS}{_ALARM}(?: in)?(?: for (?:me|us|myself))?"
            r"[\s,:\-–—]*(?:(?:to|for|about|that|of|called|named|titled|saying|which says|that says|so|when|on|with the title|concerning|regarding)\b)?[\s,:]*(?P<title>.+)",
            rf"\A(?:an?|the|my|another)?\s*{_KINDS}{_ALARM}\b[\s,:\-–—]*(?:(?:to|for|about|that|of|called|saying|so|on)\b)?[\s,:]*(?P<title>.+)",
            rf"\b(?:add|put|enter|write|stick|place)\s+(?P<title>.+?)\s+(?:to|on|in|into|onto|as|among)\s+(?:(?:my|the|our|a)\s+)?(?:list of )?(?:reminders?|reminder list|to[- ]?dos?(?: list)?|tasks?|alarms?)",
            r"\b(?:don't|do not|never|can't|mustn't|so i don't|can not)\s+(?:let me |let us |want to |wanna |)forget(?:ting)?\b[\s,:]*(?:to|about|that|it's|it is)?\s*(?P<title>.+)",
            r"\b(?:don't|do not) let (?:me|us|the day end without me)\s+(?:miss|sleep past|skip|oversleep|leave without)?\s*(?P<title>.+)",
            r"\b(?:make sure|ensure|be sure|see to it)(?: that)? (?:i|we)(?: don't forget(?: to| about)?| remember(?: to| about| that)?| do not forget(?: to)?)?\s*(?P<title>.+)",
            r"\b(?:help me(?: to)?|make me|have me|get me to|let me)\s+(?:remember|think of)\s+(?:to |about |that )?(?P<title>.+)",
            r"\bget (?:me|us) to (?P<title>.+)",
            r"\bremember to (?:remind|tell) me (?:to|about|of|that) (?P<title>.+)",
            r"\A(?:i )?(?:need to |have to |must |should |want to )?remember(?: to| about| that)? (?P<title>.+)",
            r"\b(?:let me know|give me (?:a )?(?:shout|heads[- ]up|nudge|ring|buzz))\b[\s,]*(?:about|that|to|when(?: it's time to)?|so i(?: can)?|for|before|so)?\s*(?P<title>.+)",
            r"\A(?P<title>wake (?:me|us)(?: up)?|get me up|get me out of bed)\b",
            r"\A(?P<title>.+)\Z",
        ),
        IntentLabel.SCHEDULE_EVENT: (
            r"\b(?:block|mark|clear|free|reserve)(?: off| out)? (?:my |the )?(?:calendar|diary|schedule|agenda)(?: off| out)?\s*(?:for|with|as|to)\s+(?P<title>.+)",
            r"\b(?:put|add|enter|mark|place|insert|write|stick|pop|note|include|log|record|save|schedule|book|get|set|slot|register|drop|pencil)(?: down| in)?\s+(?P<title>.+?)\s+(?:in|on|to|into|onto|down in|down on|up in|up on)\s+(?:(?:my|the|our|your)\s+)?(?:\w+ )?(?:calendars?|diary|schedule|agenda|planner|events?)\b.*\Z",
            r"\A(?:(?:create|make|add|set up|new|put in|start|schedule|enter)\s+)?(?:an? |the |my )?(?:new )?(?:calendar|diary)\s*(?:new )?(?:event|entry|item|appointment)?[\s,:\-–—]+(?:(?:for|called|named|titled|about|to|with)\s+)?(?P<title>.+)\Z",
            r"\b(?:create|make|add|set up|new|put in|schedule|enter|have|i'd like)\s+(?:an? |the |my )?(?:new |recurring |calendar |all[- ]day )*(?:event|entry)\b[\s,:\-–—]*(?:(?:for|called|named|titled|about|on|to|saying)\b)?[\s,:]*(?P<title>.+)",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:please |can you |could you |so |and )*(?:(?:add|put|schedule|mark|enter|note|save|write|block|book|get|pop|stick|log)\s+(?:it|that|this|them|those|me)\b.*|(?:put|mark|write) (?:it|that) (?:down|in).*|save the date)\Z",
            r"\bi(?:'ve| have)?(?: also)? (?:have |got |had )?(?:an? )?(?P<title>(?<=\ba )\S.*|(?<=\ban )\S.*)\Z",
            r"\A(?:we|i|there)(?:'ve| have|'re| are|'s| is|'m| am)?(?: got| having| also| going to be| gonna have| have| is)*(?: going to| off to| attending)?\s+(?P<title>.+)",
            r"\b(?:schedule|arrange|plan|book|organi[sz]e|set up|set|fix(?: up)?|pencil in|pencil|create|make|reserve|block(?: off| out)?|add|put(?: in| down)?|mark|keep|save|new|sign me up for|put me down for|enter|insert|line up|host|throw|have|save the date for|i need|need)\b(?: me| us)?(?: time)?\s*:?\s*(?:for (?=the |my |a ))?(?P<title>.+)",
            r"\A(?P<title>.+)\Z",
        ),
        IntentLabel.CREATE_NOTE: (
            r"\b(?:add|put|throw|stick|pop|write|place|include|enter|chuck|append|attach|jot)(?: this(?: thought)?| down)?[\s,:]*(?P<item>.+?)\s+(?:to|on|onto|in|into|under|for)\s+(?:my |the |our |a )?(?P<list>(?:[\w'-]+ ){0,3}(?:list|lists|notes|journal|notebook))(?P<rest>\s*[:,]\s*.+)?\s*[.!]?\Z",
            r"\A(?P<list>(?:bucket|shopping|grocery|packing|wish|to[- ]?do)[ -]list)[\s,:]+(?:add )?(?P<item>.+)\Z",
            r"\b(?:make|start|begin|create|new)\s+(?:me )?(?:an? |the |another )?(?:new )?(?P<list>(?:[\w'-]+ ){0,3}list)\b(?: (?:called|named|titled|of|for)\s+(?P<name>.+?))?(?:\s*(?:,|:)?\s*(?:and |with |to )?(?:(?:add|put|including|containing|with|write)\b)\s*(?P<item>.+?)(?:\s+(?:to|on|in) it)?)?\s*[.!]?\Z",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:please |can you |could you |so |and )*(?:(?:make|take|write|keep|save|put|jot|note|log|store) (?:a note(?: of (?:it|that|this))?|that down|it down|this down|(?:it|that|this)(?: (?:somewhere|in my notes|as a note|down|to my notes|for later|please))*)|note (?:it|that)(?: (?:down|somewhere|please))*|(?:write|jot|take|put|copy|note) (?:that|it|this) down|don't forget (?:it|that)|keep that)\s*[.!]?\Z",
            r"\b(?:make|take|write|create|add|save|leave|keep|put|start|log|record|jot|do|set|drop|have|pop)\b(?: down| me| in| up)*(?: an?| the| my| this| another| one)? ?(?:new |quick |short |little |mental |brief |voice |written |personal )*(?:note|memo|remark|journal entry|diary entry|record|reminder note)s?\b(?: in| down)?(?: for (?:me|us|myself|later))?[\s,:\-–—]*(?:(?:that(?: says)?|of(?: the fact that)?|about|to(?: self)?|saying(?: that)?|which says|on|for|with|called|titled|reading|regarding|as follows|in my notes)\b)*[\s,:]*(?P<title>.+)",
            r"\A(?:an?|the|my|another|this)?\s*(?:new |quick |short |little |mental |voice )*(?:note|memo|journal entry|notes|for my notes|for the record)(?: (?:down|to (?:my)?self|for (?:myself|later|me)|this(?: down)?|here|in my notes|please))*[\s,:\-–—]*(?:(?:that(?:'s)?|of|about|to|saying|on|as)\b)?[\s,:]*(?P<title>.+)",
            r"\b(?:note|write|jot|take|put|mark|copy|scribble|record|get|type|set)(?: (?:this|these|the following|that|it))? down\b[\s,:\-–—]*(?:(?:that|of|about|for me|to)\b)?[\s,:]*(?P<title>.+)",
            r"\b(?:keep|bear|have) in mind[\s,:]*(?:that |to )?(?P<title>.+)",
            r"\b(?:keep track of|keep a record of|take note(?: of)?(?: that)?|make note(?: of)?(?: that)?|document|capture|memorise|memorize|log|store|save|dictate|record|remember|write|note|jot|put|enter|add)(?: (?:this|these|the following|this (?:idea|thought|one))(?! is\b))?(?: (?:as a note|to my notes|in my notes|to notes))?[\s,:\-–—]*(?:(?:that|about|down|of|in my notes|as a note|idea|thought)\b)?[\s,:]*(?P<title>.+)",
            r"\A(?P<title>.+)\Z",
        ),
    }.items()
}  # fmt: skip
_WAKE: Final = re.compile(r"\A(?:wake (?:me|us)(?: up)?|get me (?:up|out of bed)|wake[- ]?up call)\Z", re.IGNORECASE)
_STATED: Final = re.compile(
    r"\A(?:(?:we|i|there|it|this|that)(?:'ve| have|'s| is| are|'re|'m| am| will be|'ll be)?(?: also| got| having| going to be| going to| got to go to)*|"
    r"new (?:event|entry|appointment)|event|for)\s+(?=\S)",
    re.IGNORECASE,
)
_EMPTY: Final = frozenset(
    "a an the my me it that this them something someone some stuff thing things one reminder reminders alarm alarms note "
    "notes memo event events entry calendar please new for to set add create make schedule another up i want need need like "
    "in on down us list down list. idea of later you do can something. anything else quick let know with remind reminding "
    "reminded take write jot each time put tell record notify alert be".split()
)


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
    for pattern in _COMMANDS[label]:
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
