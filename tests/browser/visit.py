"""Somebody at the page: what they do, what they see, and what goes over the wire meanwhile."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from playwright.async_api import ConsoleMessage, Locator, Page, WebSocket

from tests.conftest import PATIENCE_S

if TYPE_CHECKING:
    from tests.conftest import Parley

NewVisit = Callable[..., Awaitable["Visit"]]
SOUNDS = "import('/page/main.js').then(({ player }) => player.level() > 0.02)"
SILENT = "import('/page/main.js').then(({ player }) => player.playing === null && player.level() === 0)"


def address_of(parley: "Parley") -> str:
    """Where its gateway listens, as it has told."""
    found = re.findall(r"^gateway +(http://\S+) is ready", parley.told, re.MULTILINE)
    assert found, parley.told
    return str(found[-1])


class Visit:
    """A page in a browser. Each wait fails after PATIENCE_S."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.said: list[dict[str, Any]] = []  # by the page, on the socket
        self.told: list[dict[str, Any]] = []  # by the gateway
        self.complaints: list[str] = []  # of the browser: errors, and what the page's policy forbade
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("websocket", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._complain)

    async def open(self, until: str = "idle") -> None:
        """Load the page; returns when it is in this state."""
        await self.page.goto(self.address)
        await self.until(until)

    async def until(self, *states: str) -> None:
        """Wait until the page is in one of these states."""
        await self.page.locator(", ".join(f"#state[data-state={state}]" for state in states)).wait_for()

    async def say(self, text: str) -> None:
        """Type a turn."""
        await self.page.get_by_role("textbox", name="Type a message").fill(text)
        await self.page.keyboard.press("Enter")

    async def ask(self, text: str) -> Locator:
        """Type a turn and wait for its end; the turn as it is shown."""
        before = await self.turns.count()
        await self.say(text)
        return await self.ended(before)

    async def ended(self, place: int, state: str = "completed") -> Locator:
        """The turn at this place, once it has ended so."""
        turn = self.turns.nth(place)
        await self.page.locator(f"#turns > li:nth-child({place + 1})[data-state={state}]").wait_for()
        return turn

    @property
    def turns(self) -> Locator:
        return self.page.locator("#turns > li")

    async def sounds(self) -> None:
        """Wait until samples that are not silent go to the loudspeaker."""
        await self.page.wait_for_function(SOUNDS)

    async def is_silent(self) -> bool:
        """Whether nothing goes to the loudspeaker, and nothing is about to."""
        return bool(await self.page.evaluate(SILENT))

    def frames(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """What page and gateway said of this kind, with these fields."""
        both = [*self.said, *self.told]
        return [each for each in both if each["type"] == kind and fields.items() <= each.items()]

    def _listen(self, socket: WebSocket) -> None:
        def keep(into: list[dict[str, Any]]) -> Callable[[str | bytes], None]:
            return lambda frame: into.append(json.loads(frame)) if isinstance(frame, str) else None

        socket.on("framesent", keep(self.said))
        socket.on("framereceived", keep(self.told))

    def _complain(self, message: ConsoleMessage) -> None:
        lost = "ERR_CONNECTION" in message.text or "WebSocket connection" in message.text  # tests cut connections
        if message.type in ("error", "warning") and not lost:
            self.complaints.append(message.text)
