"""Finds out whether an utterance wants one thing or several, and where one part ends and the next begins.

A cut is possible where people join two requests ("and", "then", "oh and", a comma, the end of a sentence) and where the
words on both sides begin like a request. It is made when the head is sure of every part. "remind me to buy milk and
eggs" has no second request; "note to call Ann and cancel Netflix" begins like one, and the head decides.
Knows no slots and embeds nothing: whoever calls it embeds all `stretches` in one batch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from schemas.intents import IntentLabel

MAX_PARTS: Final = 4
MAX_CUT_CHARS: Final = 1_000  # a longer text is dictation: one thing
MAX_CUTS: Final = 6  # 28 stretches to embed at most; who joins more requests than this is dictating
SURE: Final = 0.5  # each part's best probability, after a clear joint
SURER: Final = 0.7  # after a bare "and" or comma behind an open-ended request ("remind me to …", "note that …")
SUREST: Final = 0.85  # where nothing joins the parts
NEVER: Final = 2.0
WITHOUT_CUE: Final = 0.9  # where a part does not begin like a request ("the vet cost ninety dollars and …")
MIN_WORDS: Final = 3  # of a part that does not begin like a request; "milk, eggs and bread" has none

_JOINT: Final = re.compile(
    r"(?P<clear>"
    r"(?<![ap])(?<!\bmr)(?<!\bmrs)(?<!\bdr)(?<!\bst)(?<!\d)[.!?]+[\"')]*\s+(?:(?:and|also|then|oh|plus|next|"
    r"after that)[ ,]+)*"
    r"|(?<=[ap]\.m\.)\s+(?=[A-Z])|(?<=[ap]m)\.\s+(?=[A-Z])|(?<=\d)\.\s+(?=[A-Z])"
    r"|\s*;\s*(?:and )?(?:also |then )?"
    r"|[,\s]+(?:and |oh |but )*(?:also|then|plus|after that|afterwards|in addition|additionally|besides that|"
    r"on top of that|one more thing|one last thing|another thing|while you're at it|at the same time|by the way|btw|"
    r"followed by|once that's done|when (?:that's|you're) done|before that|but first|separately|meanwhile|"
    r"in the meantime|apart from that|other than that|on another note|last thing)(?: (?:and|also))*[,:\s]+"
    r"|\s*(?:[,;.]|\band)\s+(?:and )?(?:next|finally|lastly|secondly|second|thirdly)[,:\s]+"
    r"|[,\s]+(?:oh|oh and|and oh|as well as|along with that|and another thing)[,\s]+"
    r")"
    r"|(?P<plain>\s*,\s*(?:and |but )?|\s+(?:and|but|&)\s+|\s+-+\s+|\s*[–—]\s*)"
    r"|(?P<none>\s+(?=(?:remind me (?:to|about|that|at|in|on|when)|set (?:a|an|up a|another) (?:reminder|alarm)|"
    r"make a note|take a note|note that|add .{2,40} to my (?:shopping|grocery|to ?do|friends?|contacts?|calendar)|"
    r"cancel (?:my|the|all)|delete (?:my|the|all)|schedule (?:a|an|my|lunch|dinner)|what(?:'s| is| are) (?:my|"
    r"on my|the))\b))",
    re.IGNORECASE,
)
_FILLER_WORDS: Final = (
    r"please|also|then|oh|and|hey|hi|hello|ok|okay|so|well|now|just|maybe|kindly|parley|assistant|afterwards|"
    r"can you|could you|would you|will you|can i|could i|would you mind|i want you to|i need you to|i'd like you to|"
    r"i want to|i need to|i'd like to|i would like to|i would like you to|i also (?:want|need) (?:you )?to|let's|"
    r"go ahead and|you (?:can|could|should)|don't forget to|make sure (?:to|you)|be sure to|if you (?:can|could)|"
    r"do me a favor and|finally|next|i wanna|help me(?: to)?|i'll need you to|"
    r"yes|yeah|actually|thanks|thank you|in that case|for me|again|quickly|lastly|second|first|firstly|after that"
)
_FILLER: Final = rf"(?:(?:{_FILLER_WORDS})[ ,]+)*"
_WHEN_FIRST: Final = (
    r"(?:(?:at|on|in|by|tomorrow|tonight|today|next|this|every|when|before|after)\b(?: [\w:.']+){0,5}[ ,]+)?"
)
_REQUEST: Final = re.compile(
    _FILLER
    + r"(?:"
    + _WHEN_FIRST
    + r"(?:remind (?:me|us)|wake (?:me|us)|alert me|notify me|nudge me|ping me|buzz me)\b"
    r"|(?:set|create|make|add|put|start|give me|get me|save|place|new|need|want|have|i need|i want|i'd like|"
    r"get)\b.{0,50}\b"
    r"(?:reminders?|alarms?|notes?|memo|list|calendar|diary|schedule|agenda|event|appointment|meeting|expenses?|ledger|"
    r"contacts?|friends?|spending|timer|call|lunch|dinner|entry|budget|one|another|wake ?up)\b"
    r"|(?:add|put|log|record|track|enter|save|file|book|expense)\b.{0,25}(?:\d|[$€£]|dollar|buck|euro|pound|quid|"
    r"hundred|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|ten|five|six|seven|eight|nine|fifteen|twelve|eleven)"
    r"|(?:note|jot|write (?:down|that|a|this|me)|take (?:a|this|down|note)|make a|make note|memo|record (?:that|a|"
    r"the|my|this|an)"
    r"|keep (?:in mind|track|a note|a record)|remember (?:that|to|my|the|i)|log|track|save (?:that|a|the|this)|store|"
    r"put (?:down|this|that|a|my|it)|don't let me forget|do not let me forget)\b"
    r"|(?:cancel|delete|remove|clear|erase|drop|scrap|get rid of|dismiss|turn off|stop reminding|forget|kill|"
    r"call off|wipe|"
    r"discard|undo|disable|scratch|take (?=.{1,40}\b(?:off|from|out)\b))\b"
    r"|(?:change|move|update|push|postpone|reschedule|shift|edit|rename|snooze|delay|switch|modify|adjust|bump|"
    r"bring|extend|"
    r"make (?:it|that|the|my))\b"
    r"|(?:schedule|arrange|book|plan|set up|pencil|block|organi[sz]e|mark|reserve)\b"
    r"|(?:list|show|read|tell me|give me|display|pull up|open|check|find|look (?:up|for)|search|see|let me (?:know|"
    r"see|hear)|"
    r"go (?:over|through)|get|fetch|bring up|repeat)\b"
    r"|(?:what|what's|whats|who|who's|how|how's|why|when's|where|where's|which|have i|"
    r"when (?:is|are|do|does|did|was|were|will|should|can)|(?:is|are|does|did|was|were|will|should|has) \w+|"
    r"(?:do|am|can) (?:i|you|we|they|any))\b"
    r"|(?:befriend|connect me|make friends)\b"
    r"|(?:[\w'’]+ ){1,4}(?:still |now |also |already |only )?(?:owes?|owed|paid me|lent me|loaned me|gave me back|"
    r"borrowed)\b"
    r"|(?:i|we)(?:'ve|'ll|'d)? (?:just |also |have |still |already |only |then |had |even )*(?:owe|owed|spent|paid|"
    r"bought|lent|loaned|"
    r"borrowed|gave|dropped|picked up|got|blew|covered|fronted|purchased)\b"
    r"|.{2,40}\b(?:cost(?:s|ed)? me|set me back|owes? me)\b"
    r"|(?:translate|define|convert|explain|calculate|spell|describe|recommend|suggest|compare)\b"
    r"|(?:say|sing|tell a|joke|make me laugh|cheer me|entertain)\b"
    r"|(?:a )?(?:note|reminder|expense|alarm|memo|event|meeting)\b"
    r")",
    re.IGNORECASE,
)
# Greetings and the like in front of a request are part of it; "you're a star" is not.
_ADDRESS: Final = re.compile(
    rf"(?:(?:{_FILLER_WORDS}|cool|no|good (?:morning|afternoon|evening)|there|alright|right|sure|great|sorry|excuse me|"
    r"listen|um+|uh+|hmm+|buddy|mate)(?:[\s,.!]+|\Z))+",
    re.IGNORECASE,
)
# "I bought her ticket, she owes me nine", "new code is 4417, note it": the second half is about the first.
_REFERS_BACK: Final = re.compile(
    rf"{_FILLER}(?:(?:he|she|they|it|that|this|those|these)(?:'\w+)?\b|\w+ (?:it|him|her|them|this|those)\b)",
    re.IGNORECASE,
)
# "I'm cooking tonight, how long do I boil potatoes": not small talk but what the request is about.
_OF_ONESELF: Final = re.compile(r"(?:i|we|my|our|i'm|i've|i'll|i'd|we're|we've)\b", re.IGNORECASE)
_OPEN_ENDED: Final = re.compile(
    r"\b(?:remind (?:me|us)\b.*\b(?:to|that|about)|(?:reminder|alarm)\b.*\b(?:to|for|about|that)|(?:note|memo|"
    r"write|jot)\b.*"
    r"|remember (?:that|to)|don't let me forget|make sure|add|put|save)\b",
    re.IGNORECASE,
)
_OWN_WORDS: Final = re.compile(
    r"\b(?:remind|reminders?|alarms?|notes?|memo|jot|calendar|diary|schedule|appointment|meeting|expenses?|spent|owes?|"
    r"owed|lent|borrowed|list|lists|contacts?|friends?|ledger|wake me)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A place to cut: the joint's [start, end) in the text, and what kind it is."""

    start: int
    end: int
    clear: bool  # "and then", the end of a sentence: more than a bare "and" or comma
    joined: bool  # False where no word or mark joins the parts


@dataclass(frozen=True, slots=True)
class Cuts:
    """A text with the places where it may be cut."""

    text: str
    cuts: tuple[Cut, ...]

    def stretch(self, first: int, last: int) -> str:
        """The text from behind cut `first` (-1: the beginning) to cut `last` (len(cuts): the end)."""
        start = 0 if first < 0 else self.cuts[first].end
        end = len(self.text) if last >= len(self.cuts) else self.cuts[last].start
        return self.text[start:end].strip(" ,;")

    def stretches(self) -> list[str]:
        """Every text that could be a part, without repetitions; the whole comes first."""
        bounds = range(-1, len(self.cuts) + 1)
        parts = [self.stretch(first, last) for first, last in combinations(bounds, 2)]
        return list(dict.fromkeys([self.text.strip(" ,;"), *parts]))


@dataclass(frozen=True, slots=True)
class Guess:
    """The head's best label of a stretch."""

    label: IntentLabel
    probability: float


def cuts_of(text: str) -> Cuts:
    """The places where a text may be cut. At most MAX_CUTS, those before what begins like a request first."""
    found: list[tuple[bool, Cut]] = []
    if len(text) > MAX_CUT_CHARS:
        return Cuts(text, ())
    for match in _JOINT.finditer(text):
        left, right = text[: match.start()].strip(), text[match.end() :].strip()
        cue = _begins_like_request(right)
        near = _JOINT.split(right, maxsplit=1)[0] or ""
        if left and (cue or (len(near.split()) >= MIN_WORDS - 1 and match["none"] is None)):
            cut = Cut(match.start(), match.end(), match["clear"] is not None, match["none"] is None)
            found.append((cue, cut))
    found.sort(key=lambda one: (not one[0], not one[1].clear))
    return Cuts(text, tuple(sorted((cut for _, cut in found[:MAX_CUTS]), key=lambda cut: cut.start)))


def parts_of(cuts: Cuts, guesses: Mapping[str, Guess]) -> list[str]:
    """The parts of a text, 1 to MAX_PARTS: as many as the head is sure of, the surest among equally many."""
    for count in range(min(len(cuts.cuts), MAX_PARTS - 1), 0, -1):
        scored = [
            (score, parts)
            for chosen in combinations(range(len(cuts.cuts)), count)
            if (parts := _cut(cuts, chosen)) and (score := _sureness(cuts, chosen, parts, guesses)) > 0
        ]
        if scored:
            return max(scored)[1]
    return [cuts.text.strip(" ,;")]


def _cut(cuts: Cuts, chosen: Sequence[int]) -> list[str]:
    bounds = (-1, *chosen, len(cuts.cuts))
    return [cuts.stretch(first, last) for first, last in pairwise(bounds)]


def _sureness(cuts: Cuts, chosen: Sequence[int], parts: Sequence[str], guesses: Mapping[str, Guess]) -> float:
    """The product of the parts' probabilities; 0 when a part is no request, or the head is not sure enough of it."""
    product = 1.0
    for part in parts:
        guess = guesses.get(part)
        if guess is None or guess.label is IntentLabel.UNKNOWN:
            return 0.0
        product *= guess.probability
    for place, index in enumerate(chosen):
        left, right = parts[place], parts[place + 1]
        needed = _needed(cuts.cuts[index], left, right, guesses)
        if min(guesses[left].probability, guesses[right].probability) < needed:
            return 0.0
    return product


def _needed(cut: Cut, left: str, right: str, guesses: Mapping[str, Guess]) -> float:
    """How sure the head must be of the parts beside a cut."""
    labels = guesses[left].label, guesses[right].label
    cues = _begins_like_request(left), _begins_like_request(right)
    if not cut.joined:
        return SUREST if all(cues) and labels[0] is not labels[1] and IntentLabel.CHIT_CHAT not in labels else NEVER
    stated = not cues[0] or _OF_ONESELF.match(left) is not None
    if _ADDRESS.fullmatch(left) or _ADDRESS.fullmatch(right) or (stated and _REFERS_BACK.match(right)):
        return NEVER
    if not all(cues):
        chats = [label is IntentLabel.CHIT_CHAT for label in labels]
        listed = (
            not cues[1] and not chats[1] and _OPEN_ENDED.search(left) is not None
        )  # "about the meeting and the dinner"
        scrap = not cues[0] and not chats[0] and len(left.split()) <= MIN_WORDS
        remark = any(
            chat and not cue and _OF_ONESELF.match(part)
            for chat, cue, part in zip(chats, cues, (left, right), strict=True)
        )
        return NEVER if labels[0] is labels[1] or listed or scrap or remark else WITHOUT_CUE
    if cut.clear or _OWN_WORDS.search(right.split(" and ")[0]):
        return SURE
    return SURER if _OPEN_ENDED.search(left) else SURE


def _begins_like_request(text: str) -> bool:
    return _REQUEST.match(text) is not None
