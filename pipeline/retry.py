"""When to try a message again: soon at first, since most failures are short, then ever later."""

import contextlib

from infra.bus.delivery import Delivery
from infra.bus.streams import MAX_DELIVER

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0


def delay_s(attempt: int) -> float:
    """Seconds to wait after the `attempt`-th delivery (from 1) has failed."""
    return float(min(FIRST_DELAY_S * 2 ** (attempt - 1), LONGEST_DELAY_S))


def is_last(attempt: int) -> bool:
    """Whether the bus would not deliver it again."""
    return attempt >= MAX_DELIVER


async def give_back(delivery: Delivery) -> None:
    """Let the bus deliver it again after a while. Never raises: with the bus away it comes when its wait is over."""
    with contextlib.suppress(Exception):
        await delivery.again_in(delay_s(delivery.attempt))
