"""What a process that handles events has done since it started; the names are those of the metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Events, but for `in_flight` each only growing."""

    handled: int = 0
    dropped: int = 0  # too late, or the turn had ended
    failed: int = 0  # tries that ended with an error
    retried: int = 0  # given back, or waited for in hand
    dead: int = 0  # given up and buried
    in_flight: int = 0
