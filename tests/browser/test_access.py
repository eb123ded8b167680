"""Who uses a keyboard, a screen reader, a dark screen or a small one: the page is for them, too.

Pictures of each state are written to $PARLEY_SCREENSHOTS when that names a folder, to be looked at.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.visit import NewVisit, Visit

pytestmark = pytest.mark.slow

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 320, "height": 720}},
    "narrow-dark": {"color_scheme": "dark", "viewport": {"width": 320, "height": 720}, "reduced_motion": "reduce"},
}
SERIOUS = ("serious", "critical")
FOCUSED = """() => {
  const node = document.activeElement;
  const told = node.getAttribute("aria-label") || node.labels?.[0]?.innerText || node.innerText;
  return [told.trim(), getComputedStyle(node).outlineStyle];
}"""
USABLE_MS = """() => new Promise((done) => {
  const state = document.getElementById("state");
  const look = () => state.dataset.state === "idle" && done(performance.now());
  new MutationObserver(look).observe(state, { attributes: true });
  look();
})"""


class Examined:
    """A page in one of its looks, examined and pictured state by state."""

    def __init__(self, somebody: "Visit", look: str) -> None:
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


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing_serious_in_any_state_and_nothing_is_too_wide(visit: "NewVisit", look: str) -> None:
    somebody = await visit(**LOOKS[look])
    examined = Examined(somebody, look)
    page = somebody.page
    await examined.examine("empty")
    await somebody.say("set a reminder for tomorrow at 1 a.m. to sleep and note to buy chocolate")
    await somebody.until("speaking")
    await examined.examine("speaking")
    turn = await somebody.ended(0)
    await turn.get_by_role("button", name="Good answer").click()
    await expect(turn.get_by_text("Noted, thank you.")).to_be_visible()
    await turn.get_by_text("Correct it").click()
    await somebody.until("idle")
    await examined.examine("completed")
    await somebody.ask("remind me")
    await examined.examine("asked-back")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Speak").click()
    await somebody.until("listening", "hearing")
    await examined.examine("listening")
    await page.get_by_role("button", name="Speak").click()
    await page.get_by_text("Earlier conversations").click()
    await expect(page.locator("#history")).to_contain_text("buy chocolate")
    await page.locator("#things").evaluate("node => { node.open = true }")
    await expect(page.locator("#notes")).to_contain_text("buy chocolate")
    await page.evaluate("scrollTo(0, 0)")
    await examined.examine("things")
    await page.get_by_role("button", name="Delete history").click()
    await examined.examine("deleting")
    await page.get_by_role("button", name="Keep it").click()
    await page.context.set_offline(True)
    await somebody.until("lost")
    await somebody.say("are you there?")
    await examined.examine("lost")
    await page.context.set_offline(False)
    await somebody.ended(2)
    assert examined.found == []


async def test_all_of_it_can_be_done_with_the_keyboard_alone(visit: "NewVisit") -> None:
    somebody = await visit()
    page = somebody.page

    async def reach(name: str) -> None:
        """Go on with Tab until this has the focus, which must be seen."""
        for _ in range(60):
            await page.keyboard.press("Tab")
            told, outline = await page.evaluate(FOCUSED)
            if told.startswith(name):
                assert outline != "none", f"{name} has the focus, and nobody sees it"
                return
        raise AssertionError(f"{name} is never reached with Tab")

    await reach("Skip to the conversation")
    await page.keyboard.press("Enter")
    await reach("Type a message")
    await page.keyboard.type("note to call home")
    await page.keyboard.press("Enter")
    await somebody.until("speaking")
    await page.keyboard.press("Escape")
    assert await somebody.is_silent()
    await somebody.ended(0, "interrupted")
    await page.keyboard.press("F2")
    await somebody.until("listening", "hearing")
    await page.keyboard.press("F2")
    await somebody.until("idle")
    await page.locator("#conversation").focus()
    await reach("Bad answer")
    await page.keyboard.press("Space")
    await expect(somebody.turns.first.get_by_text("Noted, thank you.")).to_be_visible()
    await reach("Correct it")
    await page.keyboard.press("Enter")
    await reach("I meant …")
    await page.keyboard.press("ArrowDown")
    await reach("Speak")
    await page.keyboard.press("Enter")
    await somebody.until("listening", "hearing")
    await page.keyboard.press("Enter")
    await somebody.until("idle")
    await reach("Hold to talk")
    await page.keyboard.press("Space")
    await page.get_by_role("button", name="Speak").focus()
    await page.keyboard.down("Space")
    await somebody.until("listening", "hearing")
    await page.keyboard.up("Space")
    await somebody.until("idle")


async def test_how_long_it_takes_until_the_page_can_be_used_is_told(
    visit: "NewVisit", record_property: "Callable[[str, object], None]"
) -> None:
    somebody = await visit()
    await somebody.page.goto(somebody.address)
    usable_ms = await somebody.page.evaluate(USABLE_MS)
    weight = await somebody.page.evaluate(
        "performance.getEntriesByType('resource').reduce((sum, each) => sum + each.decodedBodySize, 0)"
    )
    record_property("usable_ms", round(usable_ms))
    print(f"usable {usable_ms:.0f} ms after navigation began; {weight} bytes beside the document")
    assert weight < 100_000  # small enough to be read
