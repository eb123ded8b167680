"""How many requests a user and an address may make in a minute, and `Flood`, which turns away an address's too many.

Counted in windows of a minute from the first request on, in this process: a second gateway counts for itself. Addresses
share a fixed number of places by a hash that nobody outside can foresee, so that no number of them takes more memory;
two that meet in one place are counted together. (The library's storages for one process have a thread, or a task, that
goes through all keys again and again: 0.9 ms a request with ten thousand of them.)
"""

import hashlib
import ipaddress
import logging
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.gateway_settings import GatewaySettings
from pipeline.gateway import problems
from pipeline.gateway.refusals import TooMany

WINDOW_S: Final = 60
PLACES: Final = 1 << 14  # of addresses: 3 MB when all are taken
USER_PLACES: Final = 1 << 16  # of users, each of whom has shown a token
IPV6_NETWORK_BITS: Final = 64  # one household's: whoever has one address of it has all
NOWHERE: Final = "local"  # the address of whoever comes without one

log = logging.getLogger("parley.gateway")

Elapsed = Callable[[], float]  # a monotonic reading in seconds


class _Places(Storage):
    """Counters in a bounded number of places; one thread only."""

    STORAGE_SCHEME: Final = ["parley-places"]  # type: ignore[misc]  # the library's registry wants a name

    def __init__(self, places: int, elapsed_s: Elapsed) -> None:
        super().__init__()
        self._places = places
        self._elapsed_s = elapsed_s
        self._secret = secrets.token_bytes(16)
        self._counted: dict[int, tuple[int, float]] = {}  # how many, and when their window ends

    def _of(self, key: str) -> tuple[int, int, float]:
        digest = hashlib.blake2b(key.encode(errors="replace"), digest_size=8, key=self._secret).digest()
        place = int.from_bytes(digest) % self._places
        count, ends = self._counted.get(place, (0, 0.0))
        return (place, count, ends) if ends > self._elapsed_s() else (place, 0, 0.0)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ArithmeticError  # none: nothing here can fail

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        place, count, ends = self._of(key)
        self._counted[place] = (count + amount, ends or self._elapsed_s() + expiry)
        return count + amount

    def get(self, key: str) -> int:
        return self._of(key)[1]

    def get_expiry(self, key: str) -> float:
        return self._of(key)[2] or self._elapsed_s()

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        counted = len(self._counted)
        self._counted.clear()
        return counted

    def clear(self, key: str) -> None:
        self._counted.pop(self._of(key)[0], None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands after a request was counted."""

    policy: str
    limit: int
    used: int
    reset_s: int  # until the window ends, at least 1

    @property
    def refused(self) -> bool:
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes it: quota and window, what is left and until when."""
        left = max(0, self.limit - self.used)
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"{self.policy}";r={left};t={self.reset_s}',
        }

    def refusal(self) -> TooMany:
        """What is told when it was one too many."""
        detail = f"more than {self.limit} requests a minute of one {self.policy}; try again in {self.reset_s} s"
        return TooMany(detail, self.reset_s, self.headers())


class RateLimit:
    """So many a minute of each."""

    def __init__(self, policy: str, per_minute: int | None, places: int, elapsed_s: Elapsed = time.monotonic) -> None:
        """`per_minute` None: as many as come."""
        self._policy = policy
        self._elapsed_s = elapsed_s
        self._item: RateLimitItem | None = RateLimitItemPerMinute(per_minute) if per_minute is not None else None
        self._storage = _Places(places, elapsed_s)
        self._limiter = FixedWindowRateLimiter(self._storage)

    def count(self, who: str) -> Standing | None:
        """Count one more; None when there is no limit."""
        if self._item is None:
            return None
        self._limiter.hit(self._item, who)
        key = self._item.key_for(who)
        reset_s = math.ceil(self._storage.get_expiry(key) - self._elapsed_s())
        return Standing(self._policy, self._item.amount, self._storage.get(key), max(1, reset_s))


class Limits:
    """Those of one gateway."""

    def __init__(self, settings: GatewaySettings, elapsed_s: Elapsed = time.monotonic) -> None:
        self._addresses = RateLimit("address", settings.address_requests_per_minute, PLACES, elapsed_s)
        self._users = RateLimit("user", settings.requests_per_minute, USER_PLACES, elapsed_s)

    def of_address(self, address: str) -> Standing | None:
        """Count a request, or a new connection, of an address."""
        return self._addresses.count(counted_as(address))

    def of_user(self, user: str) -> Standing | None:
        """Count a request of a user who is known."""
        return self._users.count(user)


class Flood:
    """Pure ASGI, before all that costs anything: an address's too many requests and sockets are refused."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        standing = self._limits.of_address(address)
        if standing is None or not standing.refused:
            await self._app(scope, receive, send)
            return
        if standing.used == standing.limit + 1:  # once a minute, however many come
            log.warning("%s makes more than %d requests a minute and is refused", address, standing.limit)
        refusal = standing.refusal()
        refusal.headers = {**refusal.headers, "Connection": "close"}
        await problems.answer(refusal, scope, receive, send)


def address_of(scope: Scope) -> str:
    """Where a request or a socket comes from; a proxy that is trusted has been looked behind."""
    client = scope.get("client")
    return client[0] if client else NOWHERE


def counted_as(address: str) -> str:
    """Under which name an address is counted: IPv6 by its network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), IPV6_NETWORK_BITS), strict=False))
