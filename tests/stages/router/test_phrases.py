"""Moments, money, lists and names as they are said; DST in both directions."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidField
from schemas.intents import Money, When
from stages.router import english, matching, moments, people, wording
from stages.router.due_time import TimePassed, changed_time, due_time
from stages.router.money import exact

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=BERLIN)


def _wall(shown: str, zone: ZoneInfo) -> datetime:
    """What the clocks of a zone show, as a moment."""
    return datetime.fromisoformat(shown).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-20 15:00", "today at 3 PM"),
        ("2026-11-20 01:00", "today at 1 AM"),
        ("2026-11-21 00:00", "tomorrow at 12 AM"),
        ("2026-11-19 12:00", "yesterday at noon"),
        ("2026-11-26 08:05", "on Thursday at 8:05 AM"),
        ("2026-11-27 08:00", "on November 27 at 8 AM"),
        ("2026-11-14 08:00", "last Saturday at 8 AM"),
        ("2026-11-13 08:00", "on November 13 at 8 AM"),
        ("2027-01-02 08:00", "on January 2, 2027 at 8 AM"),
    ],
)
def test_a_moment_is_said_relative_to_now(at: str, said: str) -> None:
    assert moments.spoken(_wall(at, BERLIN), NOW) == said


def test_what_is_tomorrow_depends_on_where_one_is() -> None:
    at = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)

    assert moments.spoken(at.astimezone(BERLIN), NOW) == "tomorrow at 4 AM"
    assert moments.spoken(at.astimezone(NEW_YORK), NOW.astimezone(NEW_YORK)) == "today at 10 PM"


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 300, "a\0b"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="an IANA time zone"):
        moments.zone_of(name)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [(BERLIN, date(2026, 3, 29), 23), (BERLIN, date(2026, 10, 25), 25), (NEW_YORK, date(2026, 11, 1), 25)],
)
def test_a_day_has_as_many_hours_as_the_clocks_give_it(zone: ZoneInfo, day: date, hours: int) -> None:
    start, end = moments.day_span(day, zone)

    assert moments.between(start, end) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "now", "at", "due"),
    [
        # "half past two", said the evening before the night in which that time is skipped
        (BERLIN, "2026-03-28 22:00", "2026-03-28 02:30", "2026-03-29T03:30:00+02:00"),
        (NEW_YORK, "2026-03-07 22:00", "2026-03-07 02:30", "2026-03-08T03:30:00-04:00"),
        # nine o'clock stays nine o'clock when the clocks go back in between
        (BERLIN, "2026-10-24 22:00", "2026-10-24 09:00", "2026-10-25T09:00:00+01:00"),
    ],
)
def test_the_next_day_is_reached_by_the_clock_on_the_wall(zone: ZoneInfo, now: str, at: str, due: str) -> None:
    found = due_time(_wall(at, zone), False, "at that time", _wall(now, zone))

    assert found.isoformat() == due


def test_an_hour_later_is_an_hour_later_when_the_clocks_change_in_between() -> None:
    now = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    due = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 for the first time that night
    when = When(text="an hour", at=moments.later(now, timedelta(hours=1)))

    moved = changed_time(when, "push it back an hour", due, now)

    assert moved.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert moved.isoformat() == "2026-10-25T02:30:00+01:00"  # 02:30 for the second time


def test_the_second_of_two_equal_clock_times_is_not_past_at_the_first() -> None:
    first = datetime(2026, 10, 25, 0, 40, tzinfo=UTC).astimezone(BERLIN)  # 02:40, before the change
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30, after it

    assert due_time(second, False, "today", first).astimezone(UTC) == second


def test_now_is_not_too_late_but_two_minutes_ago_today_is() -> None:
    assert due_time(NOW - timedelta(seconds=30), False, "today", NOW) == NOW
    with pytest.raises(TimePassed, match="Today at 1:58 PM has already passed"):
        due_time(NOW - timedelta(minutes=2), False, "today", NOW)


@pytest.mark.parametrize(
    ("value", "currency", "said"),
    [
        ("50", "USD", "$50"),
        ("12.5", "USD", "$12.50"),
        ("1250", "EUR", "€1,250"),
        ("500", "JPY", "¥500"),
        ("20", "CHF", "CHF 20"),
        ("1.234", "KWD", "KWD 1.234"),
    ],
)
def test_money_is_said_without_idle_zeros(value: str, currency: str, said: str) -> None:
    assert exact(Money(value=Decimal(value), currency=currency), "USD").spoken == said


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal(1_000_000_000), places=2))
def test_minor_units_and_back_is_the_same_amount(value: Decimal) -> None:
    assert exact(Money(value=value, currency="USD"), "USD").value == value


def test_lists_are_joined_as_people_do() -> None:
    assert english.joined(["a"]) == "a"
    assert english.joined(["a", "b", "c"]) == "a, b, and c"
    assert english.joined(["a", "b"], "or") == "a or b"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("the doctor reminder", [2]),
        ("docter", [2]),
        ("call", [0, 1]),
        ("call mum about the party", [0]),
        ("CALL DAD!", [1]),
        ("dentist", []),
        ("my reminder", []),
        ("", []),
    ],
)
def test_a_title_is_found_by_some_of_its_words(asked: str, found: list[int]) -> None:
    assert matching.meant(asked, ["call mum", "call dad", "doctor appointment"]) == found


@pytest.mark.parametrize(
    ("person", "name"),
    [("sarah", "Sarah"), ("McKenzie", "McKenzie"), ("my sister", "your sister"), ("maria  lopez", "Maria Lopez")],
)
def test_people_are_named_as_one_would(person: str, name: str) -> None:
    assert people.name_of(person) == name


@pytest.mark.parametrize(
    "text", ["never mind", "Oh, forget it.", "no, thanks", "cancel that please", "nothing", "No.", "don't bother"]
)
def test_taking_back_is_understood(text: str) -> None:
    assert wording.is_never_mind(text)


@pytest.mark.parametrize(
    "text", ["nothing compares to you", "no sugar", "cancel the dentist", "at three", "", "November", "stop the oven"]
)
def test_what_only_begins_like_taking_back_is_not(text: str) -> None:
    assert not wording.is_never_mind(text)


@pytest.mark.parametrize(
    ("text", "to_know"),
    [
        ("How much does Tom owe me?", True),
        ("can you tell me what i owe", True),
        ("and who owes me money", True),
        ("Can you note that Tom owes me money?", False),
        ("Tom owes me", False),
    ],
)
def test_wanting_to_know_is_told_from_wanting_to_note(text: str, to_know: bool) -> None:
    assert wording.wants_to_know(text) is to_know


@given(st.text(alphabet="no, never mind!thanks ok", max_size=4_000))
def test_no_text_takes_long_to_read(text: str) -> None:
    wording.is_never_mind(text)
    wording.is_question(text)
    wording.wants_to_know(text)
    wording.is_repayment(text)
    wording.answer_in(text)
