"""The reranker: hears sentences of candidates, lets through those of the best one, and says why it is the best.

It remembers nothing: each event brings the candidates' first sentences, from which the same choice follows every time.
One candidate passes straight through. It does not know who generated them, nor anything beyond their first sentences.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

from infra.embeddings import Embedder
from schemas.chat import ReplyChosen, ReplyGenerated, Score, SentenceChosen, SentenceGenerated
from schemas.event import Event, Fact
from schemas.stage import Stage

RELEVANCE_WEIGHT: Final = 0.5  # is it about what was asked
REPETITION_WEIGHT: Final = 0.3  # does it go in circles, or only say the question back
LENGTH_WEIGHT: Final = 0.2  # can it be listened to
SHORT_WORDS: Final = 4  # fewer sound curt
LONG_WORDS: Final = 25  # more are hard to follow by ear
LENGTH_DECAY_WORDS: Final = 12.0
NEW_WORDS_WANTED: Final = 0.15  # an answer rightly takes up words of its question; with none of its own it is an echo
SCORE_DIGITS: Final = 6  # so that rounding in another order of summation cannot change a choice
_BROKEN: Final = re.compile(r"<[|｜]|[|｜]>|</?s>|\ufffd|[\x00-\x08\x0b-\x1f]|^\W*(?:user|assistant|system)\s*:", re.I)


@dataclass(frozen=True, slots=True)
class RerankerGiven:
    """What the reranker needs: something fast, for it holds up the first sentence of the reply."""

    embedder: Embedder


async def rerank(
    event: Event[SentenceGenerated | ReplyGenerated], given: RerankerGiven, earlier: tuple[Fact, ...]
) -> AsyncGenerator[SentenceChosen | ReplyChosen]:
    """Let the sentence through if it is of the chosen candidate; name the choice once the reply is whole."""
    del earlier
    fact = event.fact
    if isinstance(fact, SentenceGenerated):
        chosen = choose(fact.asked, fact.firsts, given.embedder, fact.relevance)
        if fact.index == 0:
            last = fact.firsts_last[chosen] if chosen < len(fact.firsts_last) else fact.last
            yield SentenceChosen(index=0, text=fact.firsts[chosen], last=last)
        elif fact.candidate == chosen:
            yield SentenceChosen(index=fact.index, text=fact.text, last=fact.last)
        return
    firsts = tuple(candidate.sentences[0] if candidate.sentences else "" for candidate in fact.candidates)
    scores = scored(fact.asked, firsts, given.embedder, fact.relevance) if len(firsts) > 1 else ()
    chosen = scores[0].candidate if scores else 0
    reply = fact.candidates[chosen]
    yield ReplyChosen(
        asked=fact.asked,
        chosen=chosen,
        text=reply.text,
        sentences=len(reply.sentences),
        scores=scores,
        scored_on="first sentences" if scores else "single",
    )


def choose(asked: str, firsts: Sequence[str], embedder: Embedder, relevance: Sequence[float] = ()) -> int:
    """The best of the first sentences, by its place. One sentence is not scored."""
    return scored(asked, firsts, embedder, relevance)[0].candidate if len(firsts) > 1 else 0


def scored(asked: str, firsts: Sequence[str], embedder: Embedder, relevance: Sequence[float] = ()) -> tuple[Score, ...]:
    """All candidates with their scores, best first; of equals the one that was generated first.

    `relevance` is what a reranking engine said of each, 0 to 1; where it said nothing, the cosine stands in.
    """
    told = tuple(relevance) if len(relevance) == len(firsts) else _cosines(asked, firsts, embedder)
    scores: list[Score] = []
    for candidate, text in enumerate(firsts):
        new = _new(text, asked)
        relevant, repetition = new * told[candidate], new * _unrepeated(text)
        length, sound = _audible(text), _sound(text)
        good = RELEVANCE_WEIGHT * relevant + REPETITION_WEIGHT * repetition + LENGTH_WEIGHT * length
        parts = [round(part, SCORE_DIGITS) for part in (sound * good, relevant, repetition, length, sound)]
        scores.append(
            Score(
                candidate=candidate,
                total=parts[0],
                relevance=parts[1],
                repetition=parts[2],
                length=parts[3],
                sound=parts[4],
            )
        )
    return tuple(sorted(scores, key=lambda score: (-score.total, score.candidate)))


def _cosines(asked: str, firsts: Sequence[str], embedder: Embedder) -> tuple[float, ...]:
    """How like the question each text is. A negative cosine says no more than one of 0: nothing in common."""
    vectors = embedder.embed([asked, *firsts])
    return tuple(max(0.0, float(vectors[0] @ vectors[place + 1])) for place in range(len(firsts)))


def _new(text: str, asked: str) -> float:
    """1 for a text with words of its own, down to 0 for one that only says the question back."""
    words = _words(text)
    echoed = sum((Counter(words) & Counter(_words(asked))).values())
    return min(1.0, (1 - echoed / len(words)) / NEW_WORDS_WANTED) if words else 0.0


def _unrepeated(text: str) -> float:
    """1 for a text in which no two words follow one another twice."""
    words = _words(text)
    again = sum(count - 1 for count in Counter(itertools.pairwise(words)).values())
    return max(0.0, 1.0 - again / max(1, len(words) - 1))


def _audible(text: str) -> float:
    """1 for a sentence of a length that is easy to listen to, falling off on both sides."""
    count = len(_words(text))
    if count < SHORT_WORDS:
        return count / SHORT_WORDS
    return 1.0 if count <= LONG_WORDS else math.exp((LONG_WORDS - count) / LENGTH_DECAY_WORDS)


def _sound(text: str) -> float:
    """0 for a text that is empty or broken; less than 1 for one that is mostly not letters."""
    letters = sum(char.isalpha() for char in text)
    visible = sum(not char.isspace() for char in text)
    if not any(char.isalnum() for char in text) or _BROKEN.search(text):
        return 0.0
    return min(1.0, 0.5 + letters / visible)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


RERANKER: Final = Stage(
    name="reranker",
    hears=(SentenceGenerated, ReplyGenerated),
    says=(SentenceChosen, ReplyChosen),
    handle=rerank,
    slots=1,
)
