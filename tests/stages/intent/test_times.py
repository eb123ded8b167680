"""Which moment a person means: a table of phrases, all said on Wednesday, March 4, 2026, 10:20 in Berlin."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.errors import InvalidField
from stages.intent.spoken import spoken
from stages.intent.times import Moment, moments, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 10, 20, tzinfo=BERLIN)

PHRASES = [
    # said, local time, whole day
    ("tomorrow at three", "2026-03-05 15:00", False),
    ("in two hours", "2026-03-04 12:20", False),
    ("in twenty minutes", "2026-03-04 10:40", False),
    ("in 90 seconds", "2026-03-04 10:21", False),
    ("in half an hour", "2026-03-04 10:50", False),
    ("in an hour and a half", "2026-03-04 11:50", False),
    ("in one hour and thirty minutes", "2026-03-04 11:50", False),
    ("in a couple of hours", "2026-03-04 12:20", False),
    ("an hour from now", "2026-03-04 11:20", False),
    ("in a week", "2026-03-11 10:20", False),
    ("in 2 weeks", "2026-03-18 10:20", False),
    ("in a fortnight", "2026-03-18 10:20", False),
    ("three days from now", "2026-03-07 10:20", False),
    ("in two days at noon", "2026-03-06 12:00", False),
    ("half past six", "2026-03-04 18:30", False),
    ("quarter to nine", "2026-03-04 20:45", False),
    ("a quarter past five", "2026-03-04 17:15", False),
    ("twenty past four", "2026-03-04 16:20", False),
    ("ten to eight", "2026-03-04 19:50", False),
    ("ten minutes before six", "2026-03-04 17:50", False),
    ("at half two", "2026-03-04 14:30", False),
    ("at seven thirty", "2026-03-04 19:30", False),
    ("at seven oh five pm", "2026-03-04 19:05", False),
    ("at eight o'clock", "2026-03-04 20:00", False),
    ("at three", "2026-03-04 15:00", False),
    ("at nine", "2026-03-04 21:00", False),
    ("at eleven", "2026-03-04 11:00", False),
    ("at 15:45", "2026-03-04 15:45", False),
    ("at 08:00", "2026-03-05 08:00", False),
    ("at 0800 tomorrow", "2026-03-05 08:00", False),
    ("1 a.m.", "2026-03-05 01:00", False),
    ("1am", "2026-03-05 01:00", False),
    ("at 1 AM", "2026-03-05 01:00", False),
    ("at one a m", "2026-03-05 01:00", False),
    ("at One a.m.", "2026-03-05 01:00", False),
    ("five thirty pm", "2026-03-04 17:30", False),
    ("at noon", "2026-03-04 12:00", False),
    ("at midnight", "2026-03-05 00:00", False),
    ("tonight", "2026-03-04 20:00", False),
    ("tonight at one", "2026-03-05 01:00", False),
    ("at 9 tonight", "2026-03-04 21:00", False),
    ("this evening at 7", "2026-03-04 19:00", False),
    ("this afternoon", "2026-03-04 15:00", False),
    ("in the morning", "2026-03-05 09:00", False),
    ("tomorrow evening", "2026-03-05 19:00", False),
    ("tomorrow morning at 8:30", "2026-03-05 08:30", False),
    ("after lunch", "2026-03-04 13:30", False),
    ("before bed", "2026-03-04 22:00", False),
    ("tomorrow", "2026-03-05 00:00", True),
    ("day after tomorrow at noon", "2026-03-06 12:00", False),
    ("on friday", "2026-03-06 00:00", True),
    ("this friday at five pm", "2026-03-06 17:00", False),
    ("next friday at noon", "2026-03-13 12:00", False),
    ("next monday", "2026-03-09 00:00", True),
    ("monday at 9", "2026-03-09 09:00", False),
    ("on wednesday", "2026-03-11 00:00", True),
    ("on wednesday at four", "2026-03-04 16:00", False),
    ("on wednesday at nine", "2026-03-11 09:00", False),
    ("on saturday night", "2026-03-07 21:00", False),
    ("friday at six", "2026-03-06 18:00", False),
    ("friday at seven", "2026-03-06 07:00", False),
    ("a week from monday", "2026-03-16 00:00", True),
    ("on the third of may", "2026-05-03 00:00", True),
    ("may 3rd at 4pm", "2026-05-03 16:00", False),
    ("on march fifth at six", "2026-03-05 18:00", False),
    ("june 12 2027", "2027-06-12 00:00", True),
    ("2026-05-01 at 14:00", "2026-05-01 14:00", False),
    ("on 12/24", "2026-12-24 00:00", True),
    ("on the 14th", "2026-03-14 00:00", True),
    ("on the twenty first at ten", "2026-03-21 10:00", False),
    ("on the third", "2026-04-03 00:00", True),
    ("on monday the ninth", "2026-03-09 00:00", True),
    ("on the 31st at noon", "2026-03-31 12:00", False),
    ("on february first", "2027-02-01 00:00", True),
    ("on christmas eve", "2026-12-24 00:00", True),
    ("next week", "2026-03-09 00:00", True),
    ("this weekend", "2026-03-07 00:00", True),
    ("by the end of the month", "2026-03-31 00:00", True),
    ("before the end of the day on friday", "2026-03-06 17:00", False),
    ("by noon on thursday", "2026-03-05 12:00", False),
    ("every day at 8 am", "2026-03-05 08:00", False),
    ("every monday at seven", "2026-03-09 07:00", False),
    ("weekdays at quarter to seven", "2026-03-05 06:45", False),
    ("every two hours", "2026-03-04 12:20", False),
    ("yesterday", "2026-03-03 00:00", True),
    ("last friday", "2026-02-27 00:00", True),
    ("two days ago", "2026-03-02 10:20", False),
]


def found(text: str, now: datetime = NOW, zone: ZoneInfo = BERLIN, past: bool = False) -> list[Moment]:
    return moments(spoken(text), now, zone, past)


def at(text: str, now: datetime = NOW, zone: ZoneInfo = BERLIN, past: bool = False) -> datetime | None:
    (moment,) = found(text, now, zone, past)
    return moment.when.at


@pytest.mark.parametrize(("said", "local", "all_day"), PHRASES)
@pytest.mark.parametrize("around", ["remind me {} to call the bank", "Remind me to call the bank {}.", "{}"])
def test_a_phrase_names_its_moment_wherever_it_stands(said: str, local: str, all_day: bool, around: str) -> None:
    (moment,) = found(around.format(said))
    assert moment.when.at is not None
    assert moment.when.at.strftime("%Y-%m-%d %H:%M") == local
    assert moment.when.all_day is all_day


@pytest.mark.parametrize(
    ("said", "from_", "until"),
    [
        ("from 2 to 3 tomorrow", "2026-03-05 14:00", "2026-03-05 15:00"),
        ("tuesday between two and four pm", "2026-03-10 14:00", "2026-03-10 16:00"),
        ("tomorrow from 9 am to 5 pm", "2026-03-05 09:00", "2026-03-05 17:00"),
        ("friday from noon to two", "2026-03-06 12:00", "2026-03-06 14:00"),
        ("12 to 3 pm", "2026-03-04 12:00", "2026-03-04 15:00"),
        ("on friday at ten for two hours", "2026-03-06 10:00", "2026-03-06 12:00"),
        ("from 10 pm to 2 am", "2026-03-04 22:00", "2026-03-05 02:00"),
        ("from the first to the eighth", "2026-04-01 00:00", "2026-04-08 00:00"),
        ("from monday to wednesday", "2026-03-09 00:00", "2026-03-11 00:00"),
        ("july 4 to july 18", "2026-07-04 00:00", "2026-07-18 00:00"),
    ],
)
def test_a_span_has_a_beginning_and_an_end(said: str, from_: str, until: str) -> None:
    (moment,) = found(f"schedule a workshop {said}")
    assert moment.when.at is not None and moment.until is not None and moment.until.at is not None
    assert moment.when.at.strftime("%Y-%m-%d %H:%M") == from_
    assert moment.until.at.strftime("%Y-%m-%d %H:%M") == until


@pytest.mark.parametrize(
    ("now", "said", "local"),
    [
        ("10:20", "at nine", "2026-03-04 21:00"),
        ("08:00", "at nine", "2026-03-04 09:00"),
        ("16:00", "at three", "2026-03-05 15:00"),
        ("20:00", "at six", "2026-03-05 06:00"),
        ("22:00", "at eleven", "2026-03-04 23:00"),
        ("10:20", "wake me at six", "2026-03-05 06:00"),
        ("10:20", "dinner on friday at eight", "2026-03-06 20:00"),
        ("10:20", "breakfast on friday at eight", "2026-03-06 08:00"),
        ("23:30", "at one a.m.", "2026-03-05 01:00"),
        ("00:30", "at one a.m.", "2026-03-04 01:00"),
    ],
)
def test_a_bare_hour_is_the_next_one_that_makes_sense(now: str, said: str, local: str) -> None:
    hour, minute = map(int, now.split(":"))
    moment = at(said, NOW.replace(hour=hour, minute=minute))
    assert moment is not None and moment.strftime("%Y-%m-%d %H:%M") == local


@pytest.mark.parametrize(
    ("said", "local"),
    [
        ("what did i note on monday", "2026-03-02"),
        ("i spent ten dollars on the 28th", "2026-02-28"),
        ("i spent ten dollars on march third", "2026-03-03"),
        ("i spent ten dollars on december first", "2025-12-01"),
    ],
)
def test_what_has_been_lies_in_the_past(said: str, local: str) -> None:
    moment = at(said, past=True)
    assert moment is not None and moment.date().isoformat() == local


def test_hours_are_elapsed_time_when_the_clocks_go_forward() -> None:
    before = datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN)  # at two it will be three
    assert at("in one hour", before) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert at("in one hour", before) == datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)


def test_days_keep_the_time_on_the_clock_when_the_clocks_go_forward() -> None:
    before = datetime(2026, 3, 28, 10, 20, tzinfo=BERLIN)
    moment = at("in one day", before)
    assert moment is not None and moment.isoformat() == "2026-03-29T10:20:00+02:00"


def test_a_time_that_the_clocks_skip_is_what_they_show_instead() -> None:
    before = datetime(2026, 3, 28, 20, 0, tzinfo=BERLIN)
    moment = at("tomorrow at 2:30 am", before)
    assert moment is not None and moment.isoformat() == "2026-03-29T03:30:00+02:00"


def test_a_time_that_comes_twice_is_the_first() -> None:
    before = datetime(2026, 10, 24, 20, 0, tzinfo=BERLIN)
    moment = at("tomorrow at 2:30 am", before)
    assert moment is not None and moment.isoformat() == "2026-10-25T02:30:00+02:00"


@pytest.mark.parametrize(
    ("zone", "iso"),
    [
        ("America/New_York", "2026-03-05T15:00:00-05:00"),
        ("Asia/Kolkata", "2026-03-05T15:00:00+05:30"),
        ("Australia/Sydney", "2026-03-05T15:00:00+11:00"),
        ("Pacific/Auckland", "2026-03-05T15:00:00+13:00"),
    ],
)
def test_the_day_and_the_hour_are_those_of_the_persons_zone(zone: str, iso: str) -> None:
    now = datetime(2026, 3, 4, 9, 20, tzinfo=UTC)
    moment = at("tomorrow at three", now, ZoneInfo(zone))
    assert moment is not None and moment.isoformat() == iso


def test_tomorrow_is_counted_from_the_persons_date() -> None:
    late = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)  # already Thursday in Tokyo
    moment = at("tomorrow at noon", late, ZoneInfo("Asia/Tokyo"))
    assert moment is not None and moment.isoformat() == "2026-03-06T12:00:00+09:00"


@pytest.mark.parametrize(
    "text",
    ["remind me to buy milk", "for 2 people", "i paid 50 at the bank", "one of them", "add 3 eggs", "look at nine cats",
     "may i ask you", "note that i march every year with two friends", "room 305 is on floor 3"],
)  # fmt: skip
def test_numbers_and_names_that_are_no_time_name_none(text: str) -> None:
    assert [m.when.text for m in found(text) if m.when.at is not None and "every" not in m.when.text] == []


def test_the_words_are_those_that_were_said() -> None:
    (moment,) = found("Remind me Tomorrow at half past Three to call Ann")
    assert moment.when.text == "Tomorrow at half past Three"


def test_a_day_and_a_time_in_two_places_are_one_moment() -> None:
    (moment,) = found("on friday remind me at nine to call Ann")
    assert moment.when.at == datetime(2026, 3, 6, 9, 0, tzinfo=BERLIN)
    assert len(moment.spans) == 2


def test_a_time_that_describes_a_thing_is_told_from_one_that_says_when() -> None:
    described, meant = found("move the 4 o'clock reminder to five thirty")
    assert described.attributive and not meant.attributive
    assert meant.target and meant.when.at == datetime(2026, 3, 4, 17, 30, tzinfo=BERLIN)


def test_an_unknown_time_zone_is_refused_by_name() -> None:
    with pytest.raises(InvalidField) as refused:
        zone_of("Mars/Olympus")
    assert refused.value.field == "meta.time_zone"
    assert "Mars/Olympus" in refused.value.value
