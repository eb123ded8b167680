"""An event of an earlier major version becomes one of this, step by step; one of a later is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas import catalogue
from schemas.errors import InvalidField, NewerSchema
from schemas.event import SCHEMA_MAJOR
from schemas.upgrades import upgraded

Golden = Callable[..., bytes]


def from_0(tree: dict[str, Any]) -> dict[str, Any]:
    """A made-up version 0 called the text `words` and had no zone."""
    tree["fact"]["text"] = tree["fact"].pop("words")
    tree["meta"].setdefault("time_zone", "UTC")
    return tree


def from_1(tree: dict[str, Any]) -> dict[str, Any]:
    """A made-up version 2 has the text as a list."""
    tree["fact"]["text"] = [tree["fact"]["text"]]
    return tree


def of_version_0(golden: Golden) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(golden("TextSubmitted"))
    tree["meta"]["schema_version"] = "0.3"
    tree["fact"]["words"] = tree["fact"].pop("text")
    return tree


def test_an_older_event_is_upgraded_to_one_that_is_read_today(golden: Golden) -> None:
    now = upgraded(of_version_0(golden), steps={0: from_0})

    assert catalogue.decode(json.dumps(now).encode()).fact == catalogue.decode(golden("TextSubmitted")).fact
    assert now["meta"]["schema_version"] == f"{SCHEMA_MAJOR}.0"


def test_steps_follow_one_another(golden: Golden) -> None:
    words = of_version_0(golden)["fact"]["words"]

    now = upgraded(of_version_0(golden), steps={0: from_0, 1: from_1}, major=2)

    assert (now["fact"]["text"], now["meta"]["schema_version"]) == ([words], "2.0")


def test_an_event_of_this_version_is_left_as_it_is(golden: Golden) -> None:
    tree = json.loads(golden("TextSubmitted")) | {"later": [1]}
    tree["meta"]["schema_version"] = "1.7"

    assert upgraded(json.loads(json.dumps(tree)), steps={0: from_0}) == tree


def test_a_newer_event_is_refused_as_newer() -> None:
    with pytest.raises(NewerSchema, match=r"2\.0"):
        upgraded({"meta": {"schema_version": "2.0"}})


@pytest.mark.parametrize(
    "tree", [{}, {"meta": 1}, {"meta": {}}, *({"meta": {"schema_version": v}} for v in ("1", 1, "x.0", "0.9"))]
)
def test_what_has_no_version_that_a_step_leads_on_from_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(InvalidField) as refused:
        upgraded(tree)

    assert refused.value.field == "meta.schema_version"
