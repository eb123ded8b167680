"""What people say in the ordeal: turns that act, each with words of its own, and turns that only want an answer.

The words are made up, so that nothing else in the state can hold them, and differ from one another, so that no skill
takes one for another. The same seed gives the same turns.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ONSETS: Final = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "v",
    "z",
)
_VOWELS: Final = ("a", "e", "i", "o", "u")
_CODAS: Final = ("b", "d", "k", "l", "m", "n", "p", "r", "x", "z")
_ACTS: Final = (  # each is understood by the trained head without an engine, so what a turn must do is certain
    "take a note that the {0} key is under the pot",
    "remind me tomorrow at three to call {0}",
    "{0} owes me 20 dollars for lunch",
    "add an expense of 12 dollars for {0}",
)
_TWO_ACTS: Final = "remind me tomorrow at nine to visit {0} and note to buy {1}"
_TALK: Final = (
    "tell me about the history of paris please",
    "how are you today my friend",
    "what is the capital of france",
    "tell me something about dogs",
)
_TALK_SHARE: Final = 0.3
_TWO_ACTS_SHARE: Final = 0.15
_SPOKEN_SHARE: Final = 0.4
_INTERRUPTS_SHARE: Final = 0.06  # does not wait for the turn before it, but ends it
_SOUND_SHARE: Final = 0.6  # of the typed ones: the reply is wanted as sound too


@dataclass(frozen=True, slots=True)
class Line:
    """One turn to be submitted."""

    place: int
    conversation: int  # which of the conversations, from 0
    text: str
    marks: tuple[str, ...]  # words that must stand in the state exactly once when the turn has completed
    spoken: bool  # submitted as sound
    speech: bool  # answered with sound
    interrupts: bool  # ends the conversation's open turn


def lines(seed: int, turns: int, conversations: int, *, marks_in_speech: bool = True) -> list[Line]:
    """The turns, in the order of their submission. Without `marks_in_speech` spoken turns only want an answer."""
    rng = random.Random(f"lines {seed}")
    words = _words(rng)
    made = []
    for place in range(turns):
        spoken = rng.random() < _SPOKEN_SHARE
        chance = rng.random()
        marks: tuple[str, ...] = ()
        if chance < _TALK_SHARE or (spoken and not marks_in_speech):
            text = rng.choice(_TALK)
        elif chance < _TALK_SHARE + _TWO_ACTS_SHARE:
            marks = (next(words), next(words))
            text = _TWO_ACTS.format(*marks)
        else:
            marks = (next(words),)
            text = rng.choice(_ACTS).format(*marks)
        speech = spoken or rng.random() < _SOUND_SHARE
        interrupts = rng.random() < _INTERRUPTS_SHARE
        made.append(Line(place, rng.randrange(conversations), text, marks, spoken, speech, interrupts))
    return made


def _words(rng: random.Random) -> Iterator[str]:
    """Made-up words of two syllables, each once."""
    used: set[str] = set()
    while True:
        word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(2))
        if word not in used:
            used.add(word)
            yield word.capitalize()
