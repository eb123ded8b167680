"""Which charts are drawn of which rows."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from infra.event_log.port import Json, Table
from pipeline.report import drawing
from pipeline.report.asking import USED, Scope, Told

NAMES = ("day", "turns", "completed", "failed", "interrupted", "open", "p50_ms", "p95_ms", "clarified", "fallbacks")
FIRST = date(2026, 1, 1)


@pytest.fixture
def nothing() -> Told:
    return Told(Scope(zone="UTC"), "USD", {name: Table((), (), ()) for name in USED}, (), {})


def with_days(told: Told, *places: int, turns: int = 4) -> Told:
    """Days, counted from FIRST, each with so many turns of which all but one were completed."""
    rows: list[tuple[Json, ...]] = [
        ((FIRST + timedelta(days=place)).isoformat(), turns, turns - 1, 1, 0, 0, 50.0, 90.0, 0, 0)
        for place in sorted(places, reverse=True)
    ]
    return replace(told, tables={**told.tables, "days": Table(NAMES, (), tuple(rows))})


def bars(svg: str) -> int:
    return len(re.findall(r'<g class="bar">', svg))


def test_of_nothing_nothing_is_drawn(nothing: Told) -> None:
    assert drawing.drawn(nothing) == {}


def test_one_day_is_no_chart(nothing: Told) -> None:
    assert drawing.drawn(with_days(nothing, 0))["days"] == []


def test_a_day_without_turns_has_its_place_among_the_others(nothing: Told) -> None:
    turns, took, rates = drawing.drawn(with_days(nothing, 0, 3))["days"]

    assert [each in turns.svg for each in ("1 Jan", "2 Jan", "3 Jan", "4 Jan")] == [True] * 4
    assert "1 Jan: failed 1" in turns.svg
    assert turns.caption == "Turns a day"
    assert "4 Jan: p95 90" in took.svg
    assert "2 Jan: p95" not in took.svg
    assert "4 Jan: asked back, % 0" in rates.svg


def test_of_many_days_the_newest_are_drawn_and_the_caption_says_so(nothing: Told) -> None:
    turns, *_ = drawing.drawn(with_days(nothing, *range(200)))["days"]

    assert turns.caption == "Turns a day (the newest 92 of 200 days)"
    assert bars(turns.svg) <= 4 * 92
    assert "19 Apr" in turns.svg
    assert "1 Jan" not in turns.svg


def test_a_chart_has_no_style_no_script_and_no_id(nothing: Told) -> None:
    for chart in drawing.drawn(with_days(nothing, 0, 1))["days"]:
        assert re.findall(r"<style|<script|<!--| style=| id=|xmlns", chart.svg) == []
        assert chart.svg.startswith("<svg ")
