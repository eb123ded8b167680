"""A gateway that asks who somebody is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.examined import Examined
from tests.browser.visit import address_of

if TYPE_CHECKING:
    from tests.browser.visit import NewVisit
    from tests.conftest import Parley

pytestmark = pytest.mark.slow


async def test_a_token_is_asked_for_and_kept_in_this_tab_only(
    visit: "NewVisit", new_parley: "Callable[..., Parley]"
) -> None:
    asking = (
        new_parley(PARLEY_GATEWAY__ENABLED="true", PARLEY_GATEWAY__PORT="0", PARLEY_GATEWAY__AUTH="jwt").up().ready()
    )
    token = asking.command("token", "--user", "ann", "--role", "analytics").stdout.strip()
    somebody = await visit(at=address_of(asking), until="refused")
    page = somebody.page
    field = page.get_by_label("Token")
    await expect(field).to_be_focused()
    examined = Examined(somebody, "light")
    await examined.examine("signing-in")
    assert examined.found == []
    await field.fill("not-a-token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("wrong or has expired")
    await field.fill(token)
    await page.keyboard.press("Enter")
    await somebody.until("idle")
    await expect(page.locator("#who")).to_have_text("Signed in as ann")
    await somebody.ask("note to renew the pass")
    assert token not in page.url
    assert await page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    await page.reload()
    await somebody.ended(0)
    async with page.expect_download() as saved:  # a link could not bear the token
        await page.get_by_role("link", name="Report").click()
    assert (await saved.value).suggested_filename == "parley-report.html"
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await somebody.turns.count() == 0
