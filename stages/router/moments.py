"""How a moment is said relative to now, in the person's time zone: "tomorrow at 3 PM", "on Friday".

Pure: "now" and the zone are given.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import InvalidField
from stages.router.english import calendar_day, clock_time, weekday

_NEAR = {-1: "yesterday", 0: "today", 1: "tomorrow"}
_WEEK_DAYS = 6  # a weekday's name alone is unambiguous this far


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises InvalidField."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("meta.time_zone", name, "an IANA time zone such as Europe/Berlin") from None


def spoken(at: datetime, now: datetime) -> str:
    """A moment with its day: "today at 1 AM", "on March 5 at 3:30 PM". Both moments stand in the person's zone."""
    return f"{spoken_day(at.date(), now.date())} at {clock_time(at)}"


def spoken_day(day: date, today: date) -> str:
    """A day: "today", "on Friday", "last Friday", "on March 5", "on March 5, 2027"."""
    ahead = (day - today).days
    if ahead in _NEAR:
        return _NEAR[ahead]
    if 0 < ahead <= _WEEK_DAYS:
        return f"on {weekday(day)}"
    if -_WEEK_DAYS <= ahead < 0:
        return f"last {weekday(day)}"
    return f"on {calendar_day(day, with_year=day.year != today.year)}"


def on_day(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A time of day on a day in a zone; one that the clocks skip is the moment that they show instead."""
    return through_utc(datetime.combine(day, at, tzinfo=zone))


def through_utc(at: datetime) -> datetime:
    """The same moment as its zone's clocks really show it (02:30 in a spring gap becomes 03:30)."""
    return at.astimezone(UTC).astimezone(at.tzinfo)


def later(at: datetime, by: timedelta) -> datetime:
    """The moment when so much time has gone by. (Adding to a moment in a zone moves its clock instead.)"""
    return (at.astimezone(UTC) + by).astimezone(at.tzinfo)


def between(start: datetime, end: datetime) -> timedelta:
    """The time that goes by from one moment to the other, changes of the clocks included; negative backwards."""
    return end.astimezone(UTC) - start.astimezone(UTC)


def day_span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The span [midnight, next midnight) of a day, which has 23 to 25 hours."""
    return on_day(day, time(), zone), on_day(day + timedelta(days=1), time(), zone)


def month_span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The span [first of the month, first of the next) around a day."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return on_day(first, time(), zone), on_day(following, time(), zone)
