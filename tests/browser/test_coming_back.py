"""Reloading the page, and connections that are lost: nothing is missing afterwards, and nothing is there twice."""

import os
import signal
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from tests.browser.visit import NewVisit
    from tests.conftest import Parley

pytestmark = pytest.mark.slow


async def test_after_a_reload_the_conversation_is_there_again_and_stays_silent(visit: "NewVisit") -> None:
    somebody = await visit()
    first = await somebody.ask("note to feed the cat")
    await somebody.ask("remind me tomorrow at nine to sweep the yard")
    told = [await somebody.turns.nth(place).locator(".reply .text").inner_text() for place in (0, 1)]
    await somebody.until("idle")
    somebody.said.clear()
    await somebody.page.reload()
    await somebody.ended(1)
    await somebody.until("idle")
    assert await somebody.turns.count() == 2
    assert [await somebody.turns.nth(place).locator(".reply .text").inner_text() for place in (0, 1)] == told
    await expect(first.locator(".done .success")).to_have_count(1)
    assert await somebody.is_silent()
    assert somebody.frames("played") == []
    await somebody.ask("note to buy salt")  # and it goes on
    assert len({each["number"] for each in somebody.frames("opened")}) == 3


async def test_an_answer_goes_on_where_it_was_when_the_gateway_is_killed(visit: "NewVisit", parley: "Parley") -> None:
    somebody = await visit()
    await somebody.ask("note that " + "the baker opens before the sun is up, " * 12 + "and that is all")
    await somebody.until("idle")
    await somebody.say("what are my notes?")
    await somebody.until("speaking")
    os.kill(parley.pid_of("gateway"), signal.SIGKILL)
    await somebody.until("lost", "connecting")
    turn = await somebody.ended(1)
    await somebody.until("speaking", "idle")
    assert await somebody.turns.count() == 2
    seen = [each["seq"] for each in somebody.told if "turn" in each and each["type"] not in ("accepted", "problem")]
    assert sorted(set(seen)) == seen
    reply = " ".join((await turn.locator(".reply .text").inner_text()).split())
    (ended,) = somebody.frames("ended", turn=somebody.frames("say")[1]["turn"])
    assert reply == " ".join(ended["reply"].split())


async def test_what_is_typed_without_a_connection_is_said_once_there_is_one(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.page.context.set_offline(True)
    await somebody.until("lost")
    await somebody.say("note to mend the fence")
    await expect(somebody.turns.first).to_contain_text("Not sent yet")
    await somebody.page.context.set_offline(False)
    turn = await somebody.ended(0)
    await expect(turn.locator(".done .success")).to_contain_text("mend the fence")
    assert len(somebody.frames("opened")) == 1


async def test_a_new_conversation_begins_empty_and_the_old_one_can_be_gone_on_with(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.ask("note to paint the door")
    await somebody.page.get_by_role("button", name="New conversation").click()
    await somebody.until("idle")
    await expect(somebody.page.locator("#empty")).to_be_visible()
    await somebody.page.get_by_text("Earlier conversations").click()
    await somebody.page.get_by_role("button", name="Go on with the conversation").first.click()
    turn = await somebody.ended(0)
    await expect(turn.locator(".said .text")).to_have_text("note to paint the door")
    assert await somebody.is_silent()


async def test_a_history_is_deleted_only_when_that_is_confirmed(visit: "NewVisit") -> None:
    somebody = await visit()
    await somebody.ask("note to prune the roses")
    await somebody.page.get_by_text("Earlier conversations").click()
    listed = somebody.page.locator("#history")
    await expect(listed).to_contain_text("prune the roses")
    await somebody.page.get_by_role("button", name="Delete history").click()
    await somebody.page.get_by_role("button", name="Keep it").click()
    await expect(listed).to_contain_text("prune the roses")
    await somebody.page.get_by_role("button", name="Delete history").click()
    await somebody.page.get_by_role("button", name="Delete it").click()
    await expect(somebody.page.get_by_role("alert")).to_contain_text("Your history is deleted.")
    await expect(listed).to_contain_text("No earlier conversations.")
