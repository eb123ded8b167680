"""How many sockets may be open at once: of a user, of an address, and overall.

async with sockets.opened(address) as place:   # before the socket is accepted; raises TooMany
    ...                                        # accept, wait for the hello
    place.belongs_to(identity.user)            # raises TooMany
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from infra.gateway_settings import GatewaySettings
from pipeline.gateway.limiting import counted_as
from pipeline.gateway.refusals import TooMany

RETRY_S: Final = 10  # nobody knows when one will be closed


class Place:
    """That of one open socket."""

    def __init__(self, sockets: "OpenSockets") -> None:
        self._sockets = sockets
        self.user: str | None = None

    def belongs_to(self, user: str) -> None:
        """Count it as this user's, whoever it was before. Raises TooMany; then it is nobody's."""
        self.leave()
        self._sockets.count_user(user)
        self.user = user

    def leave(self) -> None:
        """It is nobody's any longer."""
        if self.user is not None:
            self._sockets.forget_user(self.user)
            self.user = None


class OpenSockets:
    """Those of one gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._open = 0
        self._of_address: Counter[str] = Counter()
        self._of_user: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many are open now."""
        return self._open

    @asynccontextmanager
    async def opened(self, address: str) -> AsyncIterator[Place]:
        """A place for a socket from this address, as long as the block. Raises TooMany."""
        address = counted_as(address)
        if self._open >= self._settings.sockets_max:
            raise TooMany(f"all {self._settings.sockets_max} sockets of this gateway are taken", RETRY_S)
        if self._of_address[address] >= self._settings.sockets_per_address:
            raise TooMany(f"{self._settings.sockets_per_address} sockets are open from this address already", RETRY_S)
        self._open += 1
        self._of_address[address] += 1
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()
            self._open -= 1
            _one_less(self._of_address, address)

    def count_user(self, user: str) -> None:
        """Raises TooMany."""
        if self._of_user[user] >= self._settings.sockets_per_user:
            raise TooMany(f"{self._settings.sockets_per_user} sockets of this user are open already", RETRY_S)
        self._of_user[user] += 1

    def forget_user(self, user: str) -> None:
        """One of theirs is closed."""
        _one_less(self._of_user, user)


def _one_less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
