"""The reranker: what passes through, what is chosen, and that the choice is always the same."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import new_id
from infra.embeddings import WordLlamaStatic
from infra.engines.port import Vectors
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, SentenceChosen, SentenceGenerated
from schemas.event import Event, Fact, Meta
from stages.reranker import RERANKER, RerankerGiven, choose, scored

ASKED = "What is the capital of France?"
GOOD = "The capital of France is Paris."
ENGINE = EngineUse(backend="scripted", model="scripted")


@pytest.fixture(scope="module")
def words() -> WordLlamaStatic:
    return WordLlamaStatic()


class Untouchable:
    """An embedder that must not be asked."""

    model = "none"
    dimension = 1

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError(f"nothing was to be scored: {texts}")


async def told(fact: Fact, given_: RerankerGiven) -> list[object]:
    meta = Meta(
        id="cause", type=type(fact).__name__, conversation=new_id(), turn=new_id(), user="ana", time=datetime.now(UTC)
    )
    return [said async for said in RERANKER.handle(Event(meta=meta, fact=fact), given_, ())]


def generated(firsts: tuple[str, ...], candidate: int = 0, index: int = 0, text: str = "", **more: object) -> Fact:
    return SentenceGenerated.model_validate(
        {"asked": ASKED, "candidate": candidate, "index": index, "text": text or firsts[0], "last": False}
        | {"firsts": firsts, **more}
    )


async def test_one_candidate_passes_straight_through() -> None:
    alone = RerankerGiven(Untouchable())
    first = await told(generated(("It is Paris.",), last=True, firsts_last=(True,)), alone)
    assert first == [SentenceChosen(index=0, text="It is Paris.", last=True)]
    second = await told(generated(("It is Paris.",), index=1, text="It is big.", last=True), alone)
    assert second == [SentenceChosen(index=1, text="It is big.", last=True)]
    reply = Candidate(text="It is Paris. It is big.", sentences=("It is Paris.", "It is big."))
    whole = await told(ReplyGenerated(asked=ASKED, candidates=(reply,), engine=ENGINE), alone)
    assert whole == [ReplyChosen(asked=ASKED, chosen=0, text=reply.text, sentences=2)]


async def test_the_best_first_sentence_is_let_through_with_its_own_end(words: WordLlamaStatic) -> None:
    firsts = ("Bananas are yellow.", GOOD, "")
    said = await told(generated(firsts, firsts_last=(False, True, True)), RerankerGiven(words))
    assert said == [SentenceChosen(index=0, text=GOOD, last=True)]


async def test_later_sentences_of_losers_are_dropped(words: WordLlamaStatic) -> None:
    firsts = ("Bananas are yellow.", GOOD)
    assert await told(generated(firsts, 0, 1, "They are sweet."), RerankerGiven(words)) == []
    assert await told(generated(firsts, 1, 1, "It is big."), RerankerGiven(words)) == [
        SentenceChosen(index=1, text="It is big.", last=False)
    ]


async def test_the_whole_reply_is_the_same_choice_with_its_scores(words: WordLlamaStatic) -> None:
    candidates = (
        Candidate(text="Bananas are yellow.", sentences=("Bananas are yellow.",), finish="cut"),
        Candidate(text=f"{GOOD} It is big.", sentences=(GOOD, "It is big.")),
        Candidate(text="", sentences=(), finish="error"),
    )
    (chosen,) = await told(ReplyGenerated(asked=ASKED, candidates=candidates, engine=ENGINE), RerankerGiven(words))
    assert isinstance(chosen, ReplyChosen)
    assert (chosen.chosen, chosen.text, chosen.sentences) == (1, f"{GOOD} It is big.", 2)
    assert chosen.scored_on == "first sentences"
    assert [score.candidate for score in chosen.scores] == [1, 0, 2]
    assert chosen.chosen == choose(ASKED, [GOOD if c.sentences[:1] == (GOOD,) else c.text for c in candidates], words)


@pytest.mark.parametrize(
    "worse",
    [
        "",
        "...",
        "<|im_start|>user",
        "User: what is the capital of France?",
        "What is the capital of France?",
        "France France France France France France France.",
        "Bananas are yellow and sweet.",
        "Paris.",
        "The capital of France is " + "a very very nice and large and old place " * 6,
    ],
)
def test_what_is_empty_broken_circular_beside_the_point_or_too_long_loses(worse: str, words: WordLlamaStatic) -> None:
    assert choose(ASKED, (worse, GOOD), words) == 1
    assert choose(ASKED, (GOOD, worse), words) == 0


def test_of_equals_the_first_is_chosen(words: WordLlamaStatic) -> None:
    assert choose(ASKED, (GOOD, GOOD, GOOD), words) == 0


@given(firsts=st.lists(st.text(max_size=40), min_size=1, max_size=5), asked=st.text(max_size=40))
def test_every_score_lies_between_bad_and_good_and_the_order_is_theirs(
    firsts: list[str], asked: str, words: WordLlamaStatic
) -> None:
    scores = scored(asked, firsts, words)
    assert sorted(score.candidate for score in scores) == list(range(len(firsts)))
    assert [score.total for score in scores] == sorted((score.total for score in scores), reverse=True)
    for score in scores:
        parts = (score.total, score.relevance, score.repetition, score.length, score.sound)
        assert all(0 <= part <= 1 + 1e-5 for part in parts)
    assert scored(asked, firsts, words) == scores


def test_a_cosine_that_is_off_by_rounding_changes_nothing() -> None:
    class Shaky:
        model = "shaky"
        dimension = 2

        def __init__(self, off: float) -> None:
            self.off = off

        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.array([[1.0, 0.0]] + [[0.5 + self.off, 0.8]] * (len(texts) - 1), dtype=np.float32)

    firsts = ("It may be Paris.", "It must be Paris.")
    assert scored(ASKED, firsts, Shaky(0.0)) == scored(ASKED, firsts, Shaky(1e-8))


async def test_what_an_engine_said_of_the_relevance_stands_in_for_the_cosine(words: WordLlamaStatic) -> None:
    firsts = (GOOD, "Lyon is where many people of France live today.")
    assert choose(ASKED, firsts, words) == 0
    assert choose(ASKED, firsts, words, (0.1, 0.9)) == 1
    said = await told(generated(firsts, relevance=(0.1, 0.9), firsts_last=(False, False)), RerankerGiven(Untouchable()))
    assert said == [SentenceChosen(index=0, text=firsts[1], last=False)]


def test_relevance_that_is_not_of_all_candidates_counts_for_nothing(words: WordLlamaStatic) -> None:
    firsts = (GOOD, "Lyon is where many people of France live today.")
    assert scored(ASKED, firsts, words, (0.9,)) == scored(ASKED, firsts, words)
