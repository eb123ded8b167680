"""Makes paragraphs of a file's text: blank lines divide plain text, markdown-it-py reads Markdown. Pure.

Of Markdown the words stay; marks, code, tables, HTML, comments and a head of metadata go. Headings are no paragraphs:
they name the section of those below them. Line breaks within a paragraph stay (verse, lists), unless its lines are cut
at a width, as in old mails and Project Gutenberg's books.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.texts.folder import TextFile

WRAPPED_CHARS: Final = (45, 100)  # the length of a line that was cut at a width
_MARKDOWN: Final = MarkdownIt("commonmark").enable(["strikethrough", "table"])
_HEAD: Final = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_SPACE: Final = re.compile(r"[^\S\n]+")
_RULE: Final = re.compile(r"[\W_]+")
_NAME_MARKS: Final = re.compile(r"[_\W]+")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph: words, single spaces, and line breaks where they mean something."""

    text: str
    section: str = ""  # the nearest heading above it


@dataclass(frozen=True, slots=True)
class Plain:
    """One file's words."""

    title: str  # its first heading of the first level, or its name in words
    paragraphs: tuple[Paragraph, ...]


def plain(file: TextFile) -> Plain:
    """The file without what is no prose."""
    name = " ".join(_NAME_MARKS.sub(" ", PurePosixPath(file.name).stem).split())
    if not file.is_markdown:
        return Plain(name, tuple(_paragraphs(file.text)))
    tokens = _MARKDOWN.parse(_HEAD.sub("", file.text))
    title = next((text for level, text in _headings(tokens) if level == 1), "")
    return Plain(title or name, tuple(_marked_down(tokens, title)))


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for block in _BLANK_LINES.split(text):
        if (tidy := _tidy(block)) and not _RULE.fullmatch(tidy):  # a row of stars says nothing
            yield Paragraph(tidy)


def _tidy(block: str) -> str:
    lines = [line.strip() for line in _SPACE.sub(" ", block).strip().split("\n")]
    least, most = WRAPPED_CHARS
    wrapped = len(lines) > 1 and all(least <= len(line) <= most for line in lines[:-1])
    return (" " if wrapped else "\n").join(lines)


def _marked_down(tokens: Sequence[Token], title: str) -> Iterator[Paragraph]:
    section, items, lists = "", list[str](), list[str]()
    mark, hidden, before = "", 0, ""
    for token in tokens:
        kind = token.type
        hidden += token.nesting if kind in ("heading_open", "heading_close", "table_open", "table_close") else 0
        if kind in ("bullet_list_open", "ordered_list_open"):
            lists.append(kind)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
            if not lists and items:
                yield Paragraph("\n".join(items), section)
                items = []
        elif kind == "list_item_open":
            mark = f"{token.info}. " if token.info else "- "
        elif kind == "inline" and not hidden:
            text = _tidy("".join(_words(token.children or ())))
            if text and lists:
                items.append(f"{mark}{text}")
                mark = ""
            elif text:
                yield Paragraph(text, section)
        elif kind == "inline" and before == "heading_open":
            heading = " ".join("".join(_words(token.children or ())).split())
            section = "" if heading == title else heading
        before = kind


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Level and words of each."""
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            yield int(opening.tag[1:]), " ".join("".join(_words(inline.children or ())).split())


def _words(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline"):
            yield token.content
        elif token.type == "softbreak":
            yield " "
        elif token.type == "hardbreak":
            yield "\n"
