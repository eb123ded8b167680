"""How the page is served, and what may not be in it."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from pipeline.gateway.pages import FOLDER, START, page_router
from schemas.intents import IntentLabel

SCRIPTS = sorted(path.name for path in FOLDER.glob("*.js"))


@pytest.fixture
def browser() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(page_router())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/", "text/html"), ("/page/style.css", "text/css"), *((f"/page/{name}", "text/javascript") for name in SCRIPTS)],
)
async def test_each_file_has_its_type_and_is_not_sent_twice(
    browser: httpx.AsyncClient, path: str, media_type: str
) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{media_type}; charset=utf-8")
    assert answer.headers["cache-control"] == "no-cache"
    again = await browser.get(path, headers={"If-None-Match": f'"other", W/{answer.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    head = await browser.head(path)
    assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])


@pytest.mark.parametrize("path", ["/page/missing.js", "/page/index.html", "/page/", "/page/..%2fpages.py"])
async def test_nothing_else_is_served(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


class Document(HTMLParser):
    """What a policy of 'self' would forbid in a document, and the words that it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.words: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.forbidden.append(f"an inline {tag}")
        self.forbidden += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.words |= {value for name, value in attrs if value and name in ("data-text", "data-label", "data-hint")}


def test_the_document_runs_under_a_policy_without_anything_inline_and_all_its_words_are_there() -> None:
    document = Document()
    document.feed((FOLDER / START).read_text(encoding="utf-8"))
    known = set(re.findall(r"^  (\w+):", (FOLDER / "words.js").read_text(encoding="utf-8"), re.MULTILINE))
    assert document.forbidden == []
    assert document.words - known == set()


def test_no_script_makes_markup_of_data() -> None:
    texts = {name: (FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS}
    ways = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style"
    )
    assert {name: ways.findall(text) for name, text in texts.items() if ways.search(text)} == {}


def test_every_intent_has_words() -> None:
    words = (FOLDER / "words.js").read_text(encoding="utf-8")
    assert [label for label in IntentLabel if f"{label}: " not in words] == []
