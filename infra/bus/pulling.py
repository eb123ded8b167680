"""How a durable consumer is asked for messages, and what its server says instead of one."""

import json
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg

AWAY_WAIT_S = 0.25  # before asking again where nobody answers: JetStream is starting, or the durable is gone
HEARTBEAT_S = 2.0  # the server's sign of life while a pull waits; two missed ones mean that the pull is lost
SILENCE_S = 2.5 * HEARTBEAT_S
# A worker that is stopped, or cut off, leaves its requests behind, and is given messages until they expire: new ones,
# and what comes again from its own hands. So there is no time for the last try of a message (test_consumers.py).
PULL_EXPIRES_S = 5.0

_HEARTBEAT = "100"
_NOBODY = frozenset({"503", "404"})  # no responders; no such consumer

Declare = Callable[[], Awaitable[None]]
"""Makes the durable that is heard, and its stream, where the bus has lost them. Raises nats-py's Error."""


def request(batch: int) -> bytes:
    """The request for up to `batch` messages, which stands at the server until it expires."""
    times = {"expires": int(PULL_EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}  # nanoseconds
    return json.dumps({"batch": batch, **times}).encode()


def is_heartbeat(raw: Msg) -> bool:
    """Whether it only says that the request stands."""
    return _status(raw) == _HEARTBEAT


def nobody_answered(raw: Msg) -> bool:
    """Whether there was nobody to ask: JetStream is starting, or the durable is gone."""
    return _status(raw) in _NOBODY


def _status(raw: Msg) -> str:
    return (raw.headers or {}).get("Status", "")
