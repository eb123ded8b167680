"""The HTML page: whole, in order, needing nothing from anywhere, and with nothing that was said in it as HTML."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

from infra.event_log.log import LogReader, open_log, open_read_only
from infra.settings import PriceSettings
from pipeline.report.asking import Scope, Told, told
from pipeline.report.page import page
from tests import counted_log
from tests.counted_log import SCRIPT, TURNS

VOID: Final = frozenset({"meta", "link"})
SCOPE: Final = Scope(zone="Europe/Berlin")
PRICES: Final = {"qwen": PriceSettings.model_validate({"prompt": 2, "completion": 5, "currency": "EUR"})}


class Read(HTMLParser):
    """What a page is made of. Refuses tags that are not closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[LogReader]:
    await counted_log.write(tmp_path / "log.duckdb")
    async with await open_read_only(tmp_path / "log.duckdb") as opened:
        yield opened


async def asked(log: LogReader, scope: Scope = SCOPE) -> Told:
    return await told(lambda sql, parameters: log.ask(sql, parameters), scope, PRICES, "USD")


async def test_it_needs_nothing_from_anywhere(log: LogReader) -> None:
    html = page(await asked(log))
    read = Read(html)

    assert {name for _, attributes in read.tags for name in attributes} & {"src", "srcset", "style", "onload"} == set()
    assert [(tag, each["href"]) for tag, each in read.tags if "href" in each] == [("link", "data:,")]
    assert read.count("script") == read.count("img") == read.count("iframe") == 0
    assert re.findall(r"url\(|@import|@font-face", html) == []
    said = SCRIPT.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert "http://example.org" in said
    assert "://" not in re.sub(r"http://example\.org", "", html)


async def test_its_policy_allows_its_own_style_and_nothing_else(log: LogReader) -> None:
    html = page(await asked(log))
    [policy] = [each["content"] for tag, each in Read(html).tags if each.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert policy is not None
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


async def test_what_was_said_is_text_and_never_html(log: LogReader) -> None:
    html = page(await asked(log))
    read = Read(html)

    assert "<script" not in html
    assert html.count("</style>") == 1
    assert ("td", SCRIPT) in read.texts
    assert any(tag == "h3" and SCRIPT in text for tag, text in read.texts)


async def test_every_chart_has_words_and_every_table_headings_and_a_caption(log: LogReader) -> None:
    read = Read(page(await asked(log)))
    charts = [each for tag, each in read.tags if tag == "svg"]

    assert len(charts) == read.count("figure") == read.count("figcaption") == 3 + 4 + 4  # days, one each, waterfalls
    assert all(each["role"] == "img" and each["aria-label"] for each in charts)
    assert read.count("table") == read.count("caption") == read.count("thead")
    assert all(each.get("scope") in ("col", "row") for tag, each in read.tags if tag == "th")
    assert any(tag == "title" and text.startswith("chat: worked") for tag, text in read.texts)


async def test_it_is_the_same_page_each_time(log: LogReader) -> None:
    assert page(await asked(log)) == page(await asked(log))


async def test_its_ids_are_each_there_once(log: LogReader) -> None:
    ids = [each["id"] for _, each in Read(page(await asked(log))).tags if "id" in each]

    assert len(ids) == len(set(ids)) > 10


async def test_an_empty_log_is_a_page_that_says_so(tmp_path: Path) -> None:
    async with await open_log(tmp_path / "empty.duckdb") as log:
        read = Read(page(await asked(log)))

    assert any("nothing to tell yet" in text for _, text in read.texts)
    assert read.count("svg") == read.count("table") == 0


async def test_a_log_of_one_turn_is_drawn_too(log: LogReader) -> None:
    read = Read(page(await asked(log, Scope(zone="UTC", run="again"))))

    assert read.count("table") > 5
    assert any(TURNS["a"] in text for _, text in read.texts)


async def test_a_turn_that_only_was_opened_is_a_page(log: LogReader) -> None:
    opened = counted_log.OPENED
    read = Read(page(await asked(log, Scope(zone="UTC", since=opened["d"], until=opened["e"]))))

    assert ("dd", "1") in read.texts
    assert any("Slowest turns" in text for _, text in read.texts)
