"""Turns written text into the words that are said: markdown, links, emoji, abbreviations, symbols; and, through
infra/voices/spoken_numbers.py, all that has digits. English. Both voices are given only words, so they say the same.

Uses markdown-it-py for markdown and `regex` for Unicode's emoji properties; what an abbreviation or a symbol is called
stands in the tables below. Knows no voice. Scripts other than Latin are left as they are: no voice here reads them.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

import regex
from markdown_it import MarkdownIt
from markdown_it.token import Token

from infra.voices.spoken_numbers import numbers_spoken

URL_MAX_CHARS = 40  # a longer address is said as its host only: nobody can remember the rest

_ABBREVIATIONS: Final = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately",
    "a.k.a.": "also known as", "w/o": "without", "w/": "with", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz",
    "Dr.": "Doctor", "Prof.": "Professor", "Sr.": "Senior", "Jr.": "Junior", "appt.": "appointment",
    "dept.": "department", "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday", "Wed.": "Wednesday",
    "Thu.": "Thursday", "Thurs.": "Thursday", "Fri.": "Friday", "Sun.": "Sunday", "ASAP": "as soon as possible",
    "FYI": "for your information", "TBD": "to be decided", "WiFi": "Wi-Fi", "wifi": "Wi-Fi", "Wifi": "Wi-Fi",
}  # fmt: skip
_SYMBOLS: Final = {
    "&": " and ", "@": " at ", "+": " plus ", "=": " equals ", "±": " plus or minus ", "×": " times ",
    "÷": " divided by ", "<": " less than ", ">": " greater than ", "≤": " at most ", "≥": " at least ",
    "≈": " about ", "~": " about ", "→": " to ", "°": " degrees ", "½": " one half ", "¼": " one quarter ",
    "¾": " three quarters ", "²": " squared", "³": " cubed", "/": " ", "©": "", "®": "", "™": "",
}  # fmt: skip
_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "…": "..."})

_MARKDOWN: Final = MarkdownIt("commonmark").enable("strikethrough").disable("entity")
_EMAIL: Final = regex.compile(r"\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)\b")
_URL: Final = regex.compile(r"\b(?:https?://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", regex.IGNORECASE)
_DOMAIN: Final = regex.compile(
    r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|edu|gov|dev|app|co\.uk|de)\b(?:/[\w/-]+)?"
)
_ABBREVIATION: Final = regex.compile(
    r"(?<![\w.])(" + "|".join(regex.escape(key) for key in sorted(_ABBREVIATIONS, key=len, reverse=True)) + r")(?!\w)"
)
_EMOJI: Final = regex.compile(
    r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u200d\ufe0e\ufe0f\u20e3--[©®™↔→←]]+", regex.V1
)
_EMOTICON: Final = regex.compile(r"(?<!\S)(?:[:;=]-?[)(DPpO/|]|<3)(?!\w)")
_DASH: Final = regex.compile(r"\s*(?:—|--+|(?<=\s)[–-](?=\s))\s*")
_LEFT_OVER: Final = regex.compile(r"[*_#|^$€£¥₹{}\[\]`\\\"\p{C}\p{So}\p{Sk}]+")
_BEFORE_STOP: Final = regex.compile(r"\s+(?=[,.;:!?])")
_STOPS: Final = regex.compile(r"([,;:])(?:\s*[,;:])+|[,;:]\s*(?=[.!?])")


def spoken_form(text: str) -> str:
    """The words of a text as they are said, on one line. Empty when there is nothing to say (only emoji or marks)."""
    plain = unicodedata.normalize("NFC", text).translate(_QUOTES)
    plain = _EMOJI.sub(" ", plain)
    plain = _EMOTICON.sub(" ", plain)
    plain = " ".join(_marked_down(plain))
    plain = _EMAIL.sub(lambda found: f"{_dotted(found[1])} at {_dotted(found[2])}", plain)
    plain = _URL.sub(lambda found: _address(found[0]), plain)
    plain = _DOMAIN.sub(lambda found: _address(found[0]), plain)
    plain = _ABBREVIATION.sub(lambda found: _full(found, plain), plain)
    plain = numbers_spoken(plain)
    for symbol, words in _SYMBOLS.items():
        plain = plain.replace(symbol, words)
    plain = _DASH.sub(", ", plain)
    plain = _LEFT_OVER.sub(" ", plain)
    plain = _BEFORE_STOP.sub("", plain)
    plain = _STOPS.sub(lambda found: found[1] or "", plain)
    plain = " ".join(plain.split()).lstrip(",;:. ")
    return plain if regex.search(r"\w", plain) else ""


def _marked_down(text: str) -> Iterator[str]:
    """The texts of a markdown document's blocks, without the marks; items and headings end like sentences."""
    blocks = _MARKDOWN.parse("\n".join(line.strip() for line in text.splitlines()))
    number, inside = "", 0
    for block in blocks:
        inside += (
            block.nesting if block.type in ("list_item_open", "list_item_close", "heading_open", "heading_close") else 0
        )
        if block.type == "list_item_open":
            number = f"{block.info}. " if block.info else ""
        elif block.type in ("code_block", "fence"):
            yield block.content
        elif block.type == "inline":
            words = number + "".join(_inline(block.children or [])).strip()
            number = ""
            yield words if not inside or words.endswith((".", "!", "?", ":")) else f"{words}."


def _inline(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline", "html_inline"):
            yield "" if token.type == "html_inline" else token.content
        elif token.type == "image":
            yield "".join(_inline(token.children or []))
        elif token.type in ("softbreak", "hardbreak"):
            yield " "


def _full(found: "regex.Match[str]", text: str) -> str:
    """What an abbreviation stands for; its full stop is also the sentence's when nothing follows."""
    words = _ABBREVIATIONS[found[1]]
    return f"{words}." if found[1].endswith(".") and found.end() == len(text.rstrip()) else words


def _address(url: str) -> str:
    """A web address as it is read out: without the protocol and the query, and without the path when it is long."""
    bare = regex.sub(r"^(?:https?://)?(?:www\.)?|[?#].*$", "", url, flags=regex.IGNORECASE).rstrip("/")
    host, slash, path = bare.partition("/")
    return _dotted(host if len(bare) > URL_MAX_CHARS else host + slash + path)


def _dotted(address: str) -> str:
    for mark, word in ((".", " dot "), ("/", " slash "), ("-", " dash "), ("_", " underscore "), ("+", " plus ")):
        address = address.replace(mark, word)
    return address
