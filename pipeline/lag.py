"""How far a reader of a stream is behind, from the times at which the bus took its messages in.

The bus's clock may be another host's: the least age that a message has had lately is taken for the difference between
the clocks. So one who has not caught up yet, after having been away, counts as in time. Pure.
"""

from collections import deque
from datetime import datetime
from typing import Final

REMEMBERED: Final = 256  # batches, of which there are some four a second: about a minute


class Lag:
    """Tell it of each batch."""

    def __init__(self) -> None:
        self._least_s: deque[float] = deque(maxlen=REMEMBERED)

    def seen(self, oldest: datetime, newest: datetime, now: datetime) -> float:
        """Seconds that the oldest message of a batch has waited longer than messages need to."""
        self._least_s.append((now - newest).total_seconds())
        return max(0.0, (now - oldest).total_seconds() - min(self._least_s))
