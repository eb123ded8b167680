"""Contracts keyed by what they are about: a ranking is always a permutation, facets stay within their bounds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.contracts import Ranking, facet_updates_of, moved, ranking_of
from schemas.contracts.ranking import RANKED_MAX
from schemas.errors import InvalidField

IDS = st.lists(st.from_regex(r"[A-Za-z0-9_.:-]{1,8}", fullmatch=True), min_size=2, max_size=RANKED_MAX, unique=True)


@given(IDS, st.data())
def test_whatever_is_answered_is_a_permutation_of_the_ids(ids: list[str], data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.integers(0, 9), min_size=len(ids), max_size=len(ids)))
    ranked = ranking_of(ids).model_validate(dict(zip(ids, scores, strict=True))).ranked
    assert sorted(ranked) == sorted(ids)
    by_id = dict(zip(ids, scores, strict=True))
    assert list(ranked) == sorted(ids, key=lambda name: (-by_id[name], ids.index(name)))


def test_every_permutation_of_the_most_ids_can_be_said() -> None:
    ids = [f"m{place}" for place in range(RANKED_MAX)]
    contract = ranking_of(ids)
    for order in itertools.islice(itertools.permutations(ids), 0, 3_628_800, 36_287):
        answer = {name: RANKED_MAX - 1 - place for place, name in enumerate(order)}
        assert contract.model_validate(answer).ranked == order


def test_a_second_mention_of_an_id_changes_nothing_about_that() -> None:
    answer = ranking_of(["a", "b"]).model_validate_json('{"a": 1, "b": 5, "a": 9}')
    assert answer.ranked == ("a", "b")


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["a"], "2 to 10"),
        ([str(n) for n in range(11)], "2 to 10"),
        (["a", "a"], "each one once"),
        (["a", ""], "letters"),
        (["a", 'b"'], "letters"),
        (["a", "x" * 41], "letters"),
    ],
)
def test_ids_that_make_no_ranking_are_refused(ids: list[str], told: str) -> None:
    with pytest.raises(InvalidField, match=told):
        ranking_of(ids)


def test_an_id_may_be_called_like_a_method() -> None:
    answer = ranking_of(["ranked", "model_dump"]).model_validate({"ranked": 1, "model_dump": 2})
    assert isinstance(answer, Ranking) and answer.ranked == ("model_dump", "ranked")


def test_facets_move_by_hundredths_and_stay_within_their_bounds() -> None:
    updates = facet_updates_of(["concise", "formal", "curious"]).model_validate(
        {"concise": -8, "formal": 10, "curious": 0}
    )
    assert updates.deltas == {"concise": -0.08, "formal": 0.1}
    assert moved({"concise": 0.05, "formal": 0.95, "curious": 0.5}, updates) == {
        "concise": 0.0,
        "formal": 1.0,
        "curious": 0.5,
    }


def test_a_facet_that_the_person_has_not_is_refused_by_name() -> None:
    updates = facet_updates_of(["concise", "loud"]).model_validate({"concise": 1, "loud": 1})
    with pytest.raises(InvalidField, match="loud"):
        moved({"concise": 0.5}, updates)


def test_a_move_that_is_too_large_does_not_validate() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 10"):
        facet_updates_of(["a", "b"]).model_validate({"a": 11, "b": 0})
