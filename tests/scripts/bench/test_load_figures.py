"""The verdict of the load benchmark can fail: memory that grows, and each thing that may go wrong with a turn."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.bench.loading.figures import Left, Percentiles, any_broken, broken, grew, growths, mean_of
from scripts.bench.loading.processes import Memory

MIB = 1 << 20
TURNS = ["a", "b"]
ENDS = [("a", "TurnCompleted"), ("b", "TurnCompleted")]
GOOD = Left(ENDS, in_stream=20, in_log=20, events_in_log=20)


def _memory(mib: float) -> Memory:
    return Memory(round(mib * MIB), proportional_bytes=200 * MIB, resident_bytes=300 * MIB)


def test_a_process_that_grew_by_more_than_a_twentieth_is_told_and_one_that_did_not_is_not() -> None:
    before = {"keeper": _memory(100), "router": _memory(100), "log": _memory(100)}
    after = {"keeper": _memory(106), "router": _memory(104), "log": _memory(60)}

    found = growths(before, after, 18_000)

    assert [growth.process for growth in found if growth.too_much] == ["keeper"]
    assert found[0].process == "keeper", "the largest growth comes first"
    assert found[0].ratio == pytest.approx(1.06)
    assert found[0].bytes_a_turn == pytest.approx(6 * MIB / 18_000)


def test_a_process_has_grown_that_has_grown_at_work_and_at_rest_and_one_that_is_gone_is_told() -> None:
    small = {"keeper": _memory(100), "router": _memory(100), "log": _memory(100), "bus": _memory(100)}
    at_work = {"keeper": _memory(106), "router": _memory(107), "log": _memory(100), "bus": _memory(100)}
    at_rest = {"keeper": _memory(108), "router": _memory(101), "log": _memory(110)}

    assert grew(growths(small, at_work, 1), growths(small, at_rest, 1)) == ["keeper", "bus (gone)"]
    assert grew(growths(small, small, 1), growths(small, small, 1)) == []


def test_of_many_looks_the_mean_of_each_process_counts_and_what_it_swung_between_is_kept() -> None:
    looks = [{"log": _memory(log), "bus": _memory(bus)} for log, bus in ((42, 60), (73, 64), (50, 62))]

    assert mean_of([*looks[:2], {**looks[2], "came later": _memory(9)}]) == {
        "log": replace(_memory(55), own_between=(42 * MIB, 73 * MIB)),
        "bus": replace(_memory(62), own_between=(60 * MIB, 64 * MIB)),
    }


def test_a_load_that_went_well_has_nothing_broken() -> None:
    assert not any_broken(broken(TURNS, [], GOOD))


@pytest.mark.parametrize(
    ("what", "accepted", "unheard", "differs"),
    [
        ("accepted twice", ["a", "b", "b"], [], {}),
        ("not ended", ["a", "b", "c"], [], {}),
        ("ended twice", TURNS, [], {"ends": [*ENDS, ("b", "TurnCompleted")]}),
        ("ended, never accepted", TURNS, [], {"ends": [*ENDS, ("x", "TurnCompleted")]}),
        ("not completed", TURNS, [], {"ends": [("a", "TurnCompleted"), ("b", "TurnFailed")]}),
        ("end not heard", TURNS, ["a"], {}),
        ("dead letters", TURNS, [], {"dead_letters": 1}),
        ("left unread", TURNS, [], {"unread": 1}),
        ("log differs", TURNS, [], {"in_log": 19, "events_in_log": 19}),
        ("log differs", TURNS, [], {"in_log": 21}),
    ],
)
def test_what_goes_wrong_is_named_and_nothing_else(
    what: str, accepted: list[str], unheard: list[str], differs: dict[str, Any]
) -> None:
    found = broken(accepted, unheard, replace(GOOD, **differs))

    assert [name for name, examples in found.items() if examples] == [what]
    assert any_broken(found)


def test_examples_are_few_and_say_how_many_more_there_are() -> None:
    found = broken([str(number) for number in range(10)], [], Left(ends=[]))

    assert found["not ended"] == ["0", "1", "2", "and 7 more"]


def test_percentiles_lie_between_what_was_measured() -> None:
    found = Percentiles.of([float(number) for number in range(1, 102)])

    assert found == (51.0, 96.0, 100.0)
