"""From a folder of texts to chat examples: paragraphs, masked; sentences, counted; chunks; their questions. No disk.

An example is what a person would ask an author for: "Write the beginning of …" and then the chunk, under a system
prompt that says how its file is written. A file is one document, and goes to one split whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.export.deduplication import Entry, Without, comparable, digest, without_duplicates
from pipeline.export.masking import PLACEHOLDER, Masking
from pipeline.export.messages import message
from pipeline.export.splitting import Split
from pipeline.texts.chunking import Piece, cut
from pipeline.texts.folder import TextFile
from pipeline.texts.plain import Paragraph, plain
from pipeline.texts.style import Style, measured, system_prompt
from pipeline.texts.subjects import subjects

TOKENS_LEAST: Final = 500
TOKENS_MOST: Final = 2_000
REPEATED_CHARS_MIN: Final = 60  # a shorter paragraph ("She nodded.") may stand in two files by chance
SHOWN_SENTENCE_CHARS: Final = 300

Count = Callable[[str], int]
Sentences = Callable[[str], list[str]]  # with the white space behind each


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the chunks shall be."""

    least: int = TOKENS_LEAST
    most: int = TOKENS_MOST
    mask: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """One row, and where it comes from."""

    row: Mapping[str, Any]
    file: str
    split: Split
    tokens: int  # of the chunk alone
    masked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Document:
    """What became of one file."""

    file: TextFile
    split: Split
    style: Style | None
    system: str
    chunks: int  # before duplicates are removed
    tokens_left_out: int


@dataclass(slots=True)
class Prepared:
    """All of them."""

    examples: list[Example] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    style: Style | None = None  # of all texts together
    left_out: Counter[str] = field(default_factory=Counter)
    without: Without = field(default_factory=Without)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk on its way to a row."""

    document: int
    text: str
    tokens: int
    section: str
    opens: bool  # the document begins with it
    after: str  # the sentence before it; empty at the beginning and behind a gap


def prepare(
    files: Iterable[TextFile], split_of: Callable[[str], Split], wanted: Wanted, count: Count, sentences_of: Sentences
) -> Prepared:
    """The examples of all files, in their order."""
    prepared = Prepared()
    masking = Masking((), spoken=False) if wanted.mask else None
    seen: dict[str, int] = {}  # paragraphs: the file that had it first
    chunks: list[_Chunk] = []
    titles: list[str] = []
    said: list[str] = []
    for number, file in enumerate(files):
        text = plain(file)
        titles.append(masking.text(text.title, file.name) if masking else text.title)
        fresh = list(_fresh(text.paragraphs, number, seen, prepared.left_out))
        pieces = list(_pieces(fresh, file.name, masking, count, sentences_of))
        own = [piece.text for piece in pieces if not piece.gap]
        made = list(_chunks(number, pieces, fresh, wanted, count, prepared.left_out))
        style = measured(own)
        system = system_prompt(style) if style is not None else ""
        kept = sum(chunk.tokens for chunk in made)
        tokens = sum(piece.tokens for piece in pieces if not piece.gap)
        left = max(0, tokens - kept)
        prepared.documents.append(Document(file, split_of(file.name), style, system, len(made), left))
        chunks += made
        said += own
    prepared.style = measured(said)
    _examples(prepared, chunks, titles, wanted.mask)
    return prepared


def _fresh(
    paragraphs: Sequence[Paragraph], number: int, seen: dict[str, int], left_out: Counter[str]
) -> Iterator[Paragraph | None]:
    """The paragraphs that no file before this one has; None where one was taken out."""
    for paragraph in paragraphs:
        long_enough = len(paragraph.text) >= REPEATED_CHARS_MIN
        if long_enough and seen.setdefault(digest(comparable([paragraph.text])), number) != number:
            left_out["paragraphs that an earlier file has"] += 1
            yield None
        else:
            yield paragraph


def _pieces(
    paragraphs: Sequence[Paragraph | None], name: str, masking: Masking | None, count: Count, sentences_of: Sentences
) -> Iterator[Piece]:
    """The sentences, masked, and a gap where a paragraph was taken out."""
    for place, paragraph in enumerate(paragraphs):
        if paragraph is None:
            yield Piece("", 0, gap=True, place=place)
            continue
        text = paragraph.text if masking is None else masking.text(paragraph.text, name)
        following = paragraphs[place + 1] if place + 1 < len(paragraphs) else None
        ends_section = following is None or following.section != paragraph.section
        space = "\n\n"
        parts = [part for part in sentences_of(text) if part.strip()]
        for index, part in enumerate(parts):
            last = index + 1 == len(parts)
            sentence = part.strip()
            behind = part[len(part.rstrip()) :]
            told = f"{space}{sentence}"
            yield Piece(told, count(told), last, last and ends_section, place)
            space = "\n" if "\n" in behind else behind and " "


def _chunks(
    number: int,
    pieces: Sequence[Piece],
    paragraphs: Sequence[Paragraph | None],
    wanted: Wanted,
    count: Count,
    left_out: Counter[str],
) -> Iterator[_Chunk]:
    used = 0
    for chunk in cut(pieces, wanted.least, wanted.most):
        _tell_left_out(pieces[used : chunk.first], wanted, left_out)
        used = chunk.end
        some = pieces[chunk.first : chunk.end]
        text = "".join(piece.text for piece in some).strip()
        tokens = count(text)
        if not wanted.least <= tokens <= wanted.most:  # a whole text may have a few tokens less than its parts
            left_out["chunks just beside the limits"] += 1
            continue
        before = pieces[chunk.first - 1] if chunk.first else None
        paragraph = paragraphs[some[0].place]
        section = paragraph.section if paragraph is not None else ""
        after = "" if before is None or before.gap or before.tokens > wanted.most else before.text.strip()
        yield _Chunk(number, text, tokens, section, before is None, after)
    _tell_left_out(pieces[used:], wanted, left_out)


def _tell_left_out(pieces: Sequence[Piece], wanted: Wanted, left_out: Counter[str]) -> None:
    long = sum(piece.tokens > wanted.most for piece in pieces)
    if long:
        left_out[f"sentences of more than {wanted.most} tokens"] += long
    if any(not piece.gap and piece.tokens <= wanted.most for piece in pieces):
        left_out[f"texts, and ends of texts, of less than {wanted.least} tokens"] += 1


def _examples(prepared: Prepared, chunks: Sequence[_Chunk], titles: Sequence[str], masked: bool) -> None:
    """Without duplicates, with their questions."""
    entries = [Entry(comparable([one.text]), prepared.documents[one.document].split, "", False) for one in chunks]
    prepared.without = without_duplicates(entries)
    kept = [chunks[place] for place in prepared.without.kept]
    for chunk, about in zip(kept, subjects([one.text for one in kept]) if kept else (), strict=True):
        document = prepared.documents[chunk.document]
        said = [
            message("system", document.system),
            message("user", _question(chunk, titles[chunk.document], about)),
            message("assistant", chunk.text),
        ]
        places = Counter(PLACEHOLDER.findall("\n".join(each["content"] for each in said))) if masked else {}
        prepared.examples.append(Example({"messages": said}, document.file.name, document.split, chunk.tokens, places))


def _question(chunk: _Chunk, title: str, about: Sequence[str]) -> str:
    """What a person would ask for."""
    part = "the beginning of" if chunk.opens else "a part of"
    section = f', in the section "{chunk.section}"' if chunk.section else ""
    subject = f", about {', '.join(about)}" if about else ""
    asked = f'Write {part} "{title}"{section}{subject}.'
    if not chunk.after:
        return asked
    before = " ".join(chunk.after.split())
    shown = before if len(before) <= SHOWN_SENTENCE_CHARS else f"… {before[-SHOWN_SENTENCE_CHARS:].lstrip()}"
    return f"{asked} Go on after: {shown}"
