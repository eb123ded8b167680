"""Makes one sentence of a model fit to be spoken, and notices where a reply has gone wrong.

Small models write chat-template markers, speak for the user, fall into loops and use markdown. Knows no engine.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MARKER: Final = re.compile(
    r"<[|｜][^<>]*(?:[|｜]?>|\Z)|</?s>|<</?SYS>>|\[/?INST\]|</?(?:start|end)_of_turn>|</?think>"
)
_OWN_ROLE: Final = re.compile(r"^\s*(?:assistant|AI|bot|parley|answer|A)\s*:\s*", re.IGNORECASE)
_OTHER_ROLE: Final = re.compile(
    r"(?:^|\s)(?:User|Human|System|Assistant|Question|Q|USER|ASSISTANT|SYSTEM)\s?:(?:\s|\Z)"
)
_BULLET: Final = re.compile(r"^\s*(?:#{1,6}\s+|[-*•+]\s+|>\s+)")
_EMPHASIS: Final = re.compile(r"(\*{1,3}|_{2,3}|~~|`{1,3})(?=\S)|(?<=\S)(\*{1,3}|_{2,3}|~~|`{1,3})|`{3}")
_LINK: Final = re.compile(r"!?\[([^\]]+)\]\([^)\s]*\)")
_CLAIMED_ACT: Final = re.compile(
    r"^\W*(?:(?:okay|ok|sure|done|alright|all right|great|got it|yes)\W+)*"
    r"I(?:['’]ve|['’]ll| have| will| just)?(?: now| just| already)? "
    r"(?:noted|(?:set|created?|cancel(?:l?ed)?|deleted?|add(?:ed)?) (?:an?|the|your|that|this|it)\b"
    r"|scheduled|booked|recorded|logged|saved|made a note|remind you|let \w+ know)",
    re.IGNORECASE,
)
_LOOP_MAX_WORDS: Final = 8  # the longest phrase whose repetition is looked for
_LOOP_TIMES: Final = 3  # a phrase said so often in a row is a loop; a single word once more ("no, no, no")


@dataclass(frozen=True, slots=True)
class Tidied:
    """What is left of a sentence; `ends` says why nothing after it is worth hearing."""

    text: str
    ends: str | None = None


def tidied(sentence: str, before: Sequence[str] = ()) -> Tidied:
    """The sentence as it can be spoken, empty if nothing is left; `before` are the sentences already said."""
    ends = None
    text = _OWN_ROLE.sub("", sentence)
    for wrong, reason in ((_MARKER, "a template marker"), (_OTHER_ROLE, "speaking for somebody else")):
        if found := wrong.search(text):
            text, ends = text[: found.start()], reason
    text = _LINK.sub(r"\1", _BULLET.sub("", text))
    text = _EMPHASIS.sub("", text)
    text = "".join(char for char in text if unicodedata.category(char) not in ("So", "Cc", "Cn", "Co", "Cs", "Cf"))
    words = text.split()
    if (kept := _before_loop(words)) < len(words):
        words, ends = words[:kept], "endless repetition"
    text = " ".join(words)
    if not any(char.isalnum() for char in text):
        return Tidied("", ends)
    if _CLAIMED_ACT.match(text):
        return Tidied("", "claiming an act: only skills act, and what they did is told from their results")
    if _key(text) in {_key(said) for said in before}:
        return Tidied("", "endless repetition")
    return Tidied(text, ends)


def _before_loop(words: Sequence[str]) -> int:
    """How many words stand before a phrase begins to repeat itself, its first time included."""
    keys = [_key(word) for word in words]
    for start in range(len(keys)):
        for size in range(1, _LOOP_MAX_WORDS + 1):
            times = _LOOP_TIMES + (size == 1)
            phrase = keys[start : start + size]
            if len(keys) - start >= size * times and all(
                keys[start + size * n : start + size * (n + 1)] == phrase for n in range(1, times)
            ):
                return start + size
    return len(keys)


def _key(text: str) -> str:
    """A text without what does not make it another: case, punctuation, spaces."""
    return "".join(char for char in text.casefold() if char.isalnum())
