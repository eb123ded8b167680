"""What is old, on a machine whose clock is set."""

from datetime import UTC, datetime, timedelta

from infra.clock import AgeingClock, SetClock

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Hands:
    """Seconds that have really passed."""

    def __init__(self) -> None:
        self.passed_s = 5.0

    def __call__(self) -> float:
        return self.passed_s


def test_it_goes_with_the_clock_while_that_one_goes_right() -> None:
    clock, hands = SetClock(NOON), Hands()
    ages = AgeingClock(clock, hands)

    clock.at += HOUR
    hands.passed_s += 3600

    assert ages.now() == NOON + HOUR


def test_a_clock_that_is_set_forward_makes_nothing_old() -> None:
    clock, hands = SetClock(datetime(1970, 1, 1, tzinfo=UTC)), Hands()
    ages = AgeingClock(clock, hands)

    clock.at = NOON  # it has found a time server
    hands.passed_s += 60

    assert ages.now() == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def test_what_is_written_after_a_clock_was_put_back_is_new() -> None:
    clock, hands = SetClock(NOON), Hands()
    ages = AgeingClock(clock, hands)

    clock.at -= 24 * 30 * HOUR
    hands.passed_s += 60

    assert ages.now() == clock.at
