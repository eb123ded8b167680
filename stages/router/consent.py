"""Reads a short answer to "Shall I?" as yes, no, or neither. Pure; English only, like the intents' examples.

Only what says yes or no and nothing else counts: "yes, and add milk" is a wish of its own. Where words could mean both
("cancel that", asked whether to cancel), it is no: nothing is lost by asking again.
"""

import re
from typing import Final, Literal

from stages.router import matching, wording

Consent = Literal["yes", "no"]

WORDS_MAX: Final = 12  # a longer text says more than yes or no, and the patterns' time grows with it

_LEAD: Final = r"(?:(?:oh|um|uh|er|ah|hm+|well|so|hey|parley|i think|i guess|i said)\s)*"
_TAIL: Final = r"(?:\s(?:please|thanks|thank you|then|now|for me|parley|this time|i think|i guess))*"
_YES: Final = (
    r"(?:yes|yeah|yea|yep|yup|ya|aye|sure(?: thing)?|ok|okay|alright|all right|right|correct|exactly|absolutely|"
    r"definitely|certainly|of course|indeed|fine|affirmative|please|confirm(?:ed)?|proceed|"
    r"(?:go ahead|go for it|go on)(?: and do (?:it|that|so|this))?|do|(?:just )?do (?:it|that|so|this)|"
    r"(?:that|it|you)(?:'s|'re| is| are) (?:right|correct|fine|ok|okay|it)|sounds (?:good|right|fine)|"
    r"i do|i am|i'm sure|i am sure|i would|i'd like that|i want (?:that|it|you to)|you (?:can|may|should)|why not|"
    r"by all means|that's what i (?:meant|want|wanted|said)|(?:all|both|each|every one) of (?:them|those|it)|"
    r"them all|all|everything)"
)
_OBJECT: Final = (
    r"(?:it|them|those|these|him|her|both|everything|(?:them |it )?all)(?: (?:down|in|off))?(?: of (?:them|those|it))?"
)
_TO_CANCEL: Final = rf"(?:cancel|delete|remove|clear|erase) {_OBJECT}"
_TO_KEEP: Final = (
    rf"(?:note|write|jot|put|set|add|save|schedule|record|log|enter|change|move) (?:{_OBJECT}|(?:that|this)"
    r"(?: (?:down|in))?)"
)
_SAYS_YES: Final = {
    cancels: re.compile(rf"{_LEAD}(?:{_YES}|{deed})(?:\s(?:and\s)?(?:{_YES}|{deed}))*{_TAIL}")
    for cancels, deed in ((True, _TO_CANCEL), (False, _TO_KEEP))
}
_YES_THEN_CANCEL: Final = re.compile(
    rf"{_LEAD}(?:yes|yeah|yep|yup|sure|of course)\s(?:please\s)?"
    rf"(?:cancel|delete|remove|clear|erase) (?:that|this){_TAIL}"
)
_NO: Final = (
    r"(?:no|nope|nah|naw|never|negative|wrong|incorrect|no way|(?:absolutely |definitely |certainly |of course |"
    r"please |better |rather |i'd rather |maybe )?not(?: (?:at all|now|really|that|yet|today|this time|necessary))?|"
    r"(?:please )?(?:don't|do not|dont)(?: (?:do|bother|cancel|delete|remove|clear|erase|note|write|set|add|save|put|"
    r"touch|change|move|schedule))?(?: (?:it|that|this|them|those|so|any|anything|all|everything|down|in|of))*|"
    r"do nothing|i (?:don't|do not|didn't)(?: (?:want|mean|say))?(?: (?:that|it|this|you to|to))?|"
    r"that(?:'s| is|'s| was) (?:wrong|not (?:right|it|correct|what i (?:meant|said|want|wanted))|a mistake)|"
    r"(?:please )?(?:keep|leave) (?:it|that|them|those|everything|all of them|them all)(?: alone| be)?)"
)
_SAYS_NO: Final = re.compile(rf"{_LEAD}{_NO}(?:\s{_NO})*{_TAIL}")


def consent(text: str, to_cancel: bool = False) -> Consent | None:
    """Whether the text agrees or declines, and says nothing else. `to_cancel`: it was asked whether to cancel."""
    words = matching.folded(text.replace("’", "'"))
    if len(words.split()) > WORDS_MAX:
        return None
    if _SAYS_YES[to_cancel].fullmatch(words) or (to_cancel and _YES_THEN_CANCEL.fullmatch(words)):
        return "yes"
    return "no" if _SAYS_NO.fullmatch(words) or wording.is_never_mind(text) else None
