"""How far a reader is behind, by clocks that may differ."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.lag import REMEMBERED, Lag

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize("skew_s", [0, 3600, -3600])
def test_what_a_message_waited_is_told_whatever_the_clocks_say(skew_s: float) -> None:
    lag = Lag()

    assert lag.seen(ago(0.25 + skew_s), ago(skew_s), NOON) == pytest.approx(0.25)
    assert lag.seen(ago(3 + skew_s), ago(2 + skew_s), NOON) == pytest.approx(3)


def test_one_who_was_away_counts_as_in_time_until_caught_up() -> None:
    lag = Lag()

    assert lag.seen(ago(600), ago(599), NOON) == pytest.approx(1)
    assert lag.seen(ago(300), ago(299), NOON) == pytest.approx(1)
    assert lag.seen(ago(1), ago(0), NOON) == pytest.approx(1)
    assert lag.seen(ago(5), ago(4), NOON) == pytest.approx(5)


def test_clocks_that_were_put_right_are_believed_after_a_while() -> None:
    lag = Lag()
    lag.seen(ago(0), ago(0), NOON)

    told = [lag.seen(ago(7), ago(7), NOON) for _ in range(REMEMBERED)]

    assert (told[0], told[-1]) == (7, 0)
