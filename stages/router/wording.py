"""What the words of an utterance say that no slot carries: a repayment, a question, "never mind", "the second one".

Pure. English only, like the intents' examples.
"""

import re
from typing import Literal

_NEVER_MIND = re.compile(
    r"(?:no|nope|oh|ok|okay|actually|please|well|and|thanks?|thank you|just|\W)*"
    r"(?:never ?mind|forget (?:it|that|about it)|cancel(?: (?:it|that))?|stop|nothing|drop it|skip it|leave it|"
    r"don'?t bother|no thanks?|no thank you|nope|no)"
    r"(?:\W|thanks?|thank you|please|then|anymore|any more)*\Z",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\W*(?:and |so |please |hey |parley |ok |okay )*"
    r"(?:how|who|whom|whose|what|what's|which|when|where|why|do|does|did|is|are|am|has|have i|was|were|can|could|will|"
    r"would|should|tell|show|list|give me|check)\b",
    re.IGNORECASE,
)
_WANTS_TO_KNOW = re.compile(
    r"\W*(?:(?:and|so|please|hey|parley|ok|okay|just|quickly)\W+|(?:can|could|will|would) you (?:please )?)*"
    r"(?:how|who|whom|what|what's|which|when|do|does|did|is|are|am|has|have i|was|were|tell|show|list|give me|read|"
    r"check)\b",
    re.IGNORECASE,
)
_REPAID = re.compile(
    r"\brepaid\b|\bsettle[sd]?\b|\bmark(?:ed)?\b.*\bas (?:paid|settled|cleared)\b|\bsquared? up\b|"
    r"\bclear(?:ed)?\b.*\bdebt|"
    r"\b(?:paid|gave|given|got|gotten|handed|returned)\s+(?:\S+\s+){0,4}?back\b|\breturned\b.*\bowe[ds]?\b|"
    r"\bpaid off\b",
    re.IGNORECASE,
)
_THEY_REPAID = re.compile(
    r"\b(?:paid|gave|handed|returned|repaid)\b\s+(?:it\s+)?(?:to\s+)?me\b|\bwith me\b|\bgot\b.*\bback\b|"
    r"\b(?:what|that|owed?s?)\b.*\bowe[sd] me\b",
    re.IGNORECASE,
)
_I_REPAID = re.compile(
    r"\bi(?:'ve| have| just|'ve just)*\s+(?:paid|repaid|gave|returned|settled)\b|\bmy debt\b|\bi owed?\b", re.IGNORECASE
)
_DURATION = re.compile(
    r"\b(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty|forty|fifty|few|couple(?: of)?|"
    r"half(?: an?)?|quarter of an|\d+(?:\.\d+)?)[\s-]+(?:and a half\s+)?(?:more\s+)?"
    r"(?:second|sec|minute|min|hour|day|week)s?\b",
    re.IGNORECASE,
)
_LATER = re.compile(r"\b(?:later|back|postpone|delay|snooze|behind)\b", re.IGNORECASE)
_EARLIER = re.compile(r"\b(?:earlier|sooner|forward|ahead)\b", re.IGNORECASE)
_PAST_DAY = re.compile(r"\b(?:yesterday|ago|last|today|this|past|\d{4})\b|\d[./-]\d", re.IGNORECASE)
_REPEATS = re.compile(
    r"\b(?:every|each|daily|weekly|monthly|yearly|annually|hourly|recurring|repeat(?:ing|edly)?|weekdays)\b",
    re.IGNORECASE,
)
_ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "fifth": 4, "last": -1}
_OWES_ME = re.compile(
    r"\bowes? me\b|\bto me\b|\b(?:he|she|they) (?:do|does)\b|\A\W*(?:him|her|them)\W*\Z", re.IGNORECASE
)
_I_OWE = re.compile(r"\bi (?:do |still )?owe\b|\A\W*(?:me|i do|it's me|i am)\W*\Z", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"\A\W*(?:(?:it's|it is|that's|that is|to|for|from|with|her name is|his name is|the name is|um|uh|well|oh)\s+)+",
    re.IGNORECASE,
)


def is_never_mind(text: str) -> bool:
    """The person takes back what was being asked about."""
    return _NEVER_MIND.match(text) is not None


def is_question(text: str) -> bool:
    """The person asks or wants to see something, rather than telling it."""
    return text.rstrip().endswith("?") or _QUESTION.match(text) is not None


def wants_to_know(text: str) -> bool:
    """The person wants to be told what is written down; "can you note that …" does not."""
    return _WANTS_TO_KNOW.match(text) is not None


def is_repayment(text: str) -> bool:
    """Money was given back ("Tom paid me back"), as against: will be ("he'll pay me back")."""
    return _REPAID.search(text) is not None


def who_repaid(text: str) -> Literal["they", "i"] | None:
    """Who gave the money back, when the words say so."""
    if _THEY_REPAID.search(text):
        return "they"
    return "i" if _I_REPAID.search(text) else None


def who_owes(text: str) -> Literal["owes_me", "i_owe"] | None:
    """The direction of a debt, in an answer to "Who owes whom?"."""
    if _OWES_ME.search(text):
        return "owes_me"
    return "i_owe" if _I_OWE.search(text) else None


def shift_sign(text: str, when_text: str) -> int:
    """+1 for "an hour later", -1 for "half an hour earlier", 0 when a moment was named and not a shift."""
    if _DURATION.search(when_text) is None or when_text.lower().startswith(("in ", "at ")):
        return 0
    if _EARLIER.search(text):
        return -1
    return 1 if _LATER.search(text) else 0


def is_snooze(text: str) -> bool:
    """It is about the reminder that has just been announced."""
    return "snooze" in text.lower() or "remind me again" in text.lower()


def names_a_past_day(text: str) -> bool:
    """The words fix the day ("today at three", "last Friday"), so the time must not be moved to another one."""
    return _PAST_DAY.search(text) is not None


def repeats(text: str) -> bool:
    """It shall happen again and again."""
    return _REPEATS.search(text) is not None


def ordinal(text: str, count: int) -> int | None:
    """Which of `count` things "the second one" is, by index."""
    for word in text.lower().replace(".", " ").replace(",", " ").split():
        if word in _ORDINALS:
            index = _ORDINALS[word]
            return index % count if -count <= index < count else None
    return None


def means_all(text: str) -> bool:
    """ "both", "all of them", "everything"."""
    return re.search(r"\b(?:both|all|every ?one|everything)\b", text, re.IGNORECASE) is not None


def answer_in(text: str) -> str:
    """What an answer says, without its lead-in and its full stop: "it's Sarah." is "Sarah"."""
    return _LEAD_IN.sub("", text).strip().rstrip(".!").strip()
