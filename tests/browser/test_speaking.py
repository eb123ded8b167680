"""Speaking to the page, with a recording as the microphone, and speaking over its answers."""

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Recording
    from tests.browser.visit import NewVisit

pytestmark = pytest.mark.slow

WISH = "Remind me tomorrow at three to call the dentist."
SECOND_WISH = "Make a note to buy some bread and butter for the weekend."
QUIET = """() => new Promise((done) => {
  let quiet = 0;
  const look = setInterval(() => {
    quiet = document.getElementById("microphone-level").value < 0.1 ? quiet + 1 : 0;
    if (quiet === 15) done(clearInterval(look));
  }, 50);
})"""


async def test_what_is_spoken_is_shown_understood_and_answered_aloud(visit: "NewVisit", recording: "Recording") -> None:
    somebody = await visit(microphone=await recording(WISH, SECOND_WISH))
    speak = somebody.page.get_by_role("button", name="Speak")
    await speak.click()
    await expect(speak).to_have_attribute("aria-pressed", "true")
    await somebody.until("hearing")
    await somebody.until("speaking")
    await somebody.sounds()
    turn = await somebody.ended(0)
    await expect(turn.locator(".said .text")).to_contain_text("dentist")
    await expect(turn.locator(".said .sure")).to_contain_text("sure of the words")
    await expect(turn.locator(".understood")).to_contain_text("Set a reminder")
    await expect(turn.locator(".done .success")).to_contain_text("dentist")
    await expect(turn.get_by_role("rowheader", name="Recogniser")).to_be_visible()
    await somebody.until("listening")
    heard = somebody.page.locator("#turns > li[data-state=hearing] .said .text")
    await expect(heard).to_contain_text("note", timeout=30_000)  # while it is spoken; the first waits for a model
    second = await somebody.ended(1)
    await expect(second.locator(".said .text")).to_contain_text("bread")
    await somebody.until("listening")
    await speak.click()
    await somebody.until("idle")
    assert await somebody.turns.count() == 2
    states = [each["state"] for each in somebody.frames("listening")]
    assert states[0] == "open" and states[-1] == "closed" and "confirmed" in states


async def test_speaking_over_an_answer_silences_it_and_is_the_next_turn(
    visit: "NewVisit", recording: "Recording"
) -> None:
    somebody = await visit(microphone=await recording("Please tell me all of my reminders for tomorrow."))
    await somebody.ask("note that " + "the harbour master keeps a blue lantern, " * 12 + "and that is all")
    await somebody.until("idle")
    await somebody.say("what are my notes?")
    await somebody.sounds()
    await somebody.page.keyboard.press("F2")
    await somebody.until("hearing")
    over = await somebody.ended(1, "interrupted")
    await expect(over.locator(".outcome")).to_contain_text("Only what was heard")
    turn = await somebody.ended(2)
    await expect(turn.locator(".said .text")).to_contain_text("reminders")
    name = somebody.frames("say")[1]["turn"]
    assert somebody.frames("interrupt", turn=name)
    assert somebody.frames("played", turn=name, index=None) == []  # it was not heard to its end


async def test_the_button_can_be_held_while_talking(visit: "NewVisit", recording: "Recording") -> None:
    somebody = await visit(microphone=await recording(WISH))
    await somebody.page.get_by_label("Hold to talk").check()
    speak = somebody.page.get_by_role("button", name="Speak")
    await speak.hover()
    await somebody.page.mouse.down()
    await somebody.until("hearing")
    await somebody.page.evaluate(QUIET)
    await somebody.page.mouse.up()
    await expect(speak).to_have_attribute("aria-pressed", "false")
    turn = await somebody.ended(0)
    await expect(turn.locator(".said .text")).to_contain_text("dentist")
    assert [each["ends_turn"] for each in somebody.frames("microphone")] == ["close"]


async def test_a_microphone_that_is_not_allowed_is_told_in_words(visit: "NewVisit") -> None:
    somebody = await visit()
    refusal = "Promise.reject(new DOMException('', 'NotAllowedError'))"
    refuse = f"() => {{ navigator.mediaDevices.getUserMedia = () => {refusal}; }}"
    await somebody.page.evaluate(refuse)
    await somebody.page.get_by_role("button", name="Speak").click()
    await expect(somebody.page.get_by_role("alert")).to_contain_text("The microphone is not allowed")
    await somebody.until("idle")
