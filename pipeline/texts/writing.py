"""Writes prepared texts: train.jsonl and validation.jsonl, their sources beside them, and the card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.export import writing
from pipeline.export.card import as_json
from pipeline.export.splitting import TEXT_SPLITS
from pipeline.export.spooling import line_of
from pipeline.export.writing import CARD, README, SOURCES, Written
from pipeline.texts import card
from pipeline.texts.preparing import Prepared
from schemas.errors import InvalidField

DOCUMENTS: Final = f"{SOURCES}/documents.jsonl"
_DATA: Final = tuple(f"{split}.jsonl" for split in TEXT_SPLITS)
NAMES: Final = (README, CARD, DOCUMENTS, *_DATA, *(f"{SOURCES}/{name}" for name in _DATA))


def check(out: Path, texts: Path) -> None:
    """Raises InvalidField unless it may be written there: its README.md must not be read as a text the next time."""
    writing.check(out, card.KIND)
    inner, outer = out.resolve(), texts.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InvalidField("--out", str(out), f"a folder that is not within {texts}, nor around it")


def write(out: Path, prepared: Prepared) -> list[Written]:
    """The data; an earlier export goes."""
    writing.prepare(out, card.KIND, NAMES)
    written = [writing.write_lines(out, DOCUMENTS, map(line_of, card.documents(prepared)))]
    for split, name in zip(TEXT_SPLITS, _DATA, strict=True):
        some = [example for example in prepared.examples if example.split == split]
        written.append(writing.write_lines(out, name, (line_of(example.row) for example in some)))
        origins = ({"row": place, "file": one.file, "tokens": one.tokens} for place, one in enumerate(some))
        written.append(writing.write_lines(out, f"{SOURCES}/{name}", map(line_of, origins)))
    return sorted(written, key=lambda one: one.name)


def write_card(out: Path, told: dict[str, Any]) -> None:
    """For programs and for people."""
    writing.write_text(out, CARD, as_json(told))
    writing.write_text(out, README, card.readme(told))


def data(files: Sequence[Written]) -> list[Written]:
    """Those that are trained and validated with."""
    return [one for one in files if one.name in _DATA]
