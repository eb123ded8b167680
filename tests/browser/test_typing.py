"""Typed turns, what is shown of them, and what somebody thinks of them."""

import json
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from tests.browser.visit import NewVisit
    from tests.conftest import Parley

pytestmark = pytest.mark.slow


async def test_a_typed_turn_shows_what_was_understood_done_and_answered_and_is_heard(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.say("remind me tomorrow at three to call the dentist")
    await somebody.until("speaking")
    await somebody.sounds()
    turn = await somebody.ended(0)
    await expect(turn.locator(".said .text")).to_have_text("remind me tomorrow at three to call the dentist")
    await expect(turn.locator(".understood")).to_contain_text("Set a reminder")
    await expect(turn.locator(".understood")).to_contain_text("what: call the dentist")
    await expect(turn.locator(".done .success")).to_contain_text("call the dentist")
    await expect(turn.locator(".reply")).to_contain_text("dentist")
    for stage in ("Turn keeper", "Understanding", "Skills", "Reply", "Voice"):
        await expect(turn.get_by_role("rowheader", name=stage)).to_be_visible()
    await expect(turn.locator(".steps summary")).to_contain_text("first sound after")
    await somebody.until("idle")
    assert await somebody.is_silent()
    played = [(each["turn"], each.get("index")) for each in somebody.frames("played")]
    sentences = len(somebody.frames("audio"))
    name = somebody.frames("say")[0]["turn"]
    assert played == [*((name, index) for index in range(sentences)), (name, None)]


async def test_an_answer_is_stopped_at_once_by_the_button(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.ask("note that " + "the garden gate is green, " * 12 + "and that is all")
    await somebody.until("idle")
    await somebody.say("what are my notes?")
    await somebody.until("speaking")
    await somebody.sounds()
    await somebody.page.get_by_role("button", name="Stop", exact=True).click()
    assert await somebody.is_silent()
    turn = await somebody.ended(1, "interrupted")
    await expect(turn.locator(".outcome")).to_contain_text("Only what was heard")
    (interrupt,) = somebody.frames("interrupt")
    assert interrupt["sentences_played"] == len(somebody.frames("played", turn=interrupt["turn"]))
    assert await somebody.is_silent()


async def test_thumbs_and_corrections_are_on_the_record(visit: "NewVisit", parley: "Parley") -> None:
    somebody = await visit()
    turn = await somebody.ask("note to buy chocolate")
    good = turn.get_by_role("button", name="Good answer")
    await good.click()
    await expect(turn.get_by_text("Noted, thank you.")).to_be_visible()
    await expect(good).to_have_attribute("aria-pressed", "true")
    await turn.get_by_text("Correct it").click()
    await turn.get_by_label("I meant …").select_option("Set a reminder")
    await turn.get_by_label("It should have said").fill("I will remind you of the chocolate.")
    await turn.get_by_role("button", name="Send the correction").click()
    name = somebody.frames("say")[0]["turn"]
    sql = f"SELECT rating, intent, correction FROM feedback WHERE turn = '{name}' ORDER BY time"
    wanted = [
        {"rating": "up", "intent": None, "correction": None},
        {"rating": None, "intent": "create_reminder", "correction": "I will remind you of the chocolate."},
    ]

    def recorded() -> bool:
        lines = parley.command("log", "query", sql, "--json").stdout.splitlines()
        return [json.loads(line) for line in lines] == wanted

    parley.wait_for(recorded, within_s=30)


async def test_a_question_back_is_shown_as_one_and_asks_what_was_meant(visit: "NewVisit") -> None:
    somebody = await visit()
    turn = await somebody.ask("remind me")
    await expect(turn.locator(".reply .who")).to_have_text("Parley asks")
    await turn.get_by_label("I meant …").select_option("Write a note")
    await turn.get_by_role("button", name="Send the correction").click()
    await expect(turn.get_by_text("Noted, thank you.")).to_be_visible()


async def test_without_sound_the_answer_is_told_to_screen_readers_and_nothing_is_spoken(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.page.get_by_label("Replies aloud").uncheck()
    await somebody.until("idle")
    await somebody.ask("note to water the plants")
    await expect(somebody.page.locator("#told")).to_contain_text("water the plants")
    assert somebody.frames("audio") == []


async def test_a_reminder_that_falls_due_is_announced(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.ask("remind me in two seconds to stretch")
    await expect(somebody.page.get_by_role("alert")).to_contain_text("stretch")


async def test_the_report_of_the_log_opens_beside_the_page(visit: "NewVisit") -> None:
    somebody = await visit()
    async with somebody.page.expect_popup() as opened:
        await somebody.page.get_by_role("link", name="Report").click()
    report = await opened.value
    await expect(report.get_by_role("heading", level=1)).to_be_visible()
