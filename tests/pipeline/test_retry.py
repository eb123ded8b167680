"""When a message is tried again."""

from infra.bus.streams import MAX_DELIVER
from pipeline.retry import LONGEST_DELAY_S, delay_s, is_last


def test_each_wait_is_longer_than_the_one_before_up_to_a_limit() -> None:
    waits = [delay_s(attempt) for attempt in range(1, 20)]

    assert waits == sorted(waits)
    assert waits[0] < 1, "most failures are short"
    assert waits[-1] == LONGEST_DELAY_S


def test_a_turn_is_over_before_its_deadline_when_all_tries_fail() -> None:
    assert sum(delay_s(attempt) for attempt in range(1, MAX_DELIVER)) < 30


def test_the_last_try_is_the_last_delivery_of_the_bus() -> None:
    assert [is_last(attempt) for attempt in (1, MAX_DELIVER - 1, MAX_DELIVER, MAX_DELIVER + 1)] == [
        *(False, False),
        *(True, True),
    ]
