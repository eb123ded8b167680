"""The scores of answers can be wrong in known ways: parts of words, case, punctuation, rules that never fail."""

from pathlib import Path
from typing import Any

import pytest

from infra.prompts import neutral
from schemas.chat import HistoryEntry
from scripts.bench.asking import talking
from scripts.bench.asking.scoring import Coherence, DataRefused, Fact, Quality, Rule, read, words_of

DATA = Path(__file__).resolve().parents[3] / "scripts" / "bench" / "asking"


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ({"any_of": ["ice", "snow"]}, ["It's ICE.", "“Ice”!", "snow, of course"], ["A nice mouse.", "", "icy"]),
        ({"any_of": ["don't know"]}, ["I don’t know that.", "I DON'T KNOW"], ["I know.", "don't you know"]),
        ({"all_of": ["red", "blue"]}, ["Blue and red."], ["Red.", "infrared blue"]),
        ({"none_of": ["1"]}, ["10 of them", "one"], ["1. Apples", "It is 1"]),
        ({"max_words": 3}, ["One two, three!", ""], ["One two three four."]),
        ({"min_words": 2}, ["Hi there"], ["Hi - !", ""]),
        ({"max_sentences": 2}, ["One. Two!", "It costs 2.50 now. Yes."], ["One. Two. Three."]),
        ({"ends_with": "?"}, ["And you? "], ["Really? Yes."]),
        ({"shape": r"\d{4}"}, ["in 1969"], ["in 69"]),
    ],
)
def test_a_rule_holds_for_what_is_meant_and_for_nothing_else(
    rule: dict[str, Any], right: list[str], wrong: list[str]
) -> None:
    checked = Rule.model_validate(rule)
    assert [answer for answer in right if not checked.holds(answer)] == []
    assert [answer for answer in wrong if checked.holds(answer)] == []


@pytest.mark.parametrize("rule", [{}, {"any_of": []}, {"any_of": ["a"], "max_words": 3}, {"most": 3}, {"max_words": 0}])
def test_a_rule_that_says_nothing_or_too_much_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rule.model_validate(rule)


def test_a_data_file_that_cannot_be_used_is_told_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "quality.yaml"
    file.write_text('prompts: [{kind: x, say: "Hi", rules: []}]')
    with pytest.raises(DataRefused, match=r"prompts\.0\.rules"):
        read(file, Quality)
    with pytest.raises(DataRefused, match="No such file"):
        read(tmp_path / "absent.yaml", Quality)


def test_words_are_whole_and_numbers_stay_together() -> None:
    assert words_of("Don’t pay Tom’s $12.50, Ann!") == ["don't", "pay", "tom", "12.50", "ann"]


def test_no_fact_is_given_away_before_it_is_asked_for() -> None:
    """Neither by its own question nor by what is said in between: else a model that remembers nothing would know it."""
    data = read(DATA / "coherence.yaml", Coherence)
    for fact in data.facts:
        assert fact.known_in(fact.tell)
        assert not any(fact.known_in(text) for text in (fact.ask, *data.between))
        assert not any(fact.known_in(other.tell) for other in data.facts if other is not fact)


def test_every_prompt_is_put_to_an_engine_and_none_is_answered_right_by_saying_nothing() -> None:
    data = read(DATA / "quality.yaml", Quality)
    for prompt in data.prompts:
        assert prompt.broken("")
        assert prompt.broken("Please tell me more about it.")


async def test_whatever_is_said_in_a_benchmark_goes_to_the_engine() -> None:
    from infra.prompts import Prompts
    from stages.chat import SHELF, Memory
    from stages.chat.planning import planned

    coherence, quality = read(DATA / "coherence.yaml", Coherence), read(DATA / "quality.yaml", Quality)
    texts = [text for fact in coherence.facts for text in (fact.tell, fact.ask)]
    prompts = Prompts(SHELF)
    for text in [*texts, *coherence.between, *(prompt.say for prompt in quality.prompts)]:
        plan, _ = planned(talking.event(text, ()), prompts, talking.SAMPLING, Memory())
        assert plan.ask is not None, text
        assert plan.ask.temperature == 0
        assert plan.ask.messages[-1].content == neutral(text)


def test_the_same_turn_has_the_same_seed_and_a_later_one_another() -> None:
    history: list[HistoryEntry] = []
    first = talking.event("Hello", history)
    assert talking.event("Hello", history).meta.turn == first.meta.turn
    history.append(talking.said("Hello", "Hi.", history))
    assert talking.event("Hello", history).meta.turn != first.meta.turn


def test_a_fact_is_known_by_its_word_only() -> None:
    fact = Fact(tell="My dog is called Rex.", ask="What is its name?", has=("rex",))
    assert fact.known_in("It is Rex, I think.")
    assert not fact.known_in("It is called T-Rexy.")
