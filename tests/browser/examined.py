"""A page under the eyes of axe-core, state by state.

Pictures of each state are written to $PARLEY_SCREENSHOTS when that names a folder, to be looked at.
"""

import json
import os
from pathlib import Path
from typing import Final

from axe_playwright_python.async_playwright import Axe

from tests.browser.visit import Visit

SERIOUS: Final = ("serious", "critical")


class Examined:
    """A page in one of its looks, examined and pictured state by state."""

    def __init__(self, somebody: Visit, look: str) -> None:
        self._somebody = somebody
        self._look = look
        self.found: list[str] = []

    async def examine(self, state: str) -> None:
        """Let axe look at it, see whether it is wider than its window, and keep a picture."""
        page = self._somebody.page
        if folder := os.environ.get("PARLEY_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / f"{self._look}-{state}.png")
        for violation in (await Axe().run(page)).response["violations"]:
            if violation["impact"] in SERIOUS:
                where = [node["target"] for node in violation["nodes"]]
                self.found.append(f"{state}: {violation['id']} at {json.dumps(where)}")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.found.append(f"{state}: {wide} px wider than the window")
