"""Writes the files of an export: rows as JSON lines and as Parquet, and beside them which turn each row came from.

A file appears under its name when it is whole. The same rows give the same bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from infra import parquet
from pipeline.export.rows import Kind
from pipeline.export.splitting import SPLITS, Split
from pipeline.export.spooling import Spool, Spooled, line_of
from schemas.errors import InvalidField

Format = Literal["jsonl", "parquet", "both"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
CARD: Final = "card.json"
README: Final = "README.md"
SOURCES: Final = "sources"  # a folder of its own, so that nobody takes it for data


@dataclass(frozen=True, slots=True)
class Written:
    """One file."""

    name: str  # within the export
    rows: int
    size_bytes: int
    sha256: str


def names() -> tuple[str, ...]:
    """All files that an export may have."""
    data = tuple(f"{split}.{suffix}" for split in SPLITS for suffix in ("jsonl", "parquet"))
    return (README, CARD, *data, *(f"{SOURCES}/{split}.jsonl" for split in SPLITS))


def check(folder: Path, kind: str) -> None:
    """Raises InvalidField unless the folder is new, empty, or holds an earlier export of this kind."""
    if folder.exists() and not folder.is_dir():
        raise InvalidField("--out", str(folder), "a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        earlier = json.loads((folder / CARD).read_bytes()).get("kind")
    except (OSError, ValueError, AttributeError):
        earlier = None
    if earlier != kind:
        what = f"an export of {earlier}" if earlier else "other files"
        expected = f"a new or empty folder, or one with an export of {kind}; this one has {what}"
        raise InvalidField("--out", str(folder), expected)


def prepare(folder: Path, kind: str, files: Sequence[str] = ()) -> None:
    """Make the folder, or empty it of an earlier export of this kind. Raises InvalidField like `check`.

    `files`: those of another kind of export than the log's.
    """
    check(folder, kind)
    folder.mkdir(parents=True, exist_ok=True)
    for name in files or names():
        (folder / name).unlink(missing_ok=True)
    write_text(folder, CARD, json.dumps({"kind": kind, "unfinished": True}) + "\n")  # so that it can be begun again


def write_kind(
    folder: Path, kind: Kind, form: Format, rows: Mapping[Split, Sequence[Spooled]], spool: Spool
) -> list[Written]:
    """The data of both splits in the form that is wanted, and their sources."""
    written: list[Written] = []
    for split in SPLITS:
        some = rows[split]
        lines = folder / f"{split}.jsonl"
        told = write_lines(folder, f"{split}.jsonl", (spool.lines(one)[0] for one in some))
        if form != "jsonl":
            table = folder / f"{split}.parquet"
            parquet.write(lines, partly(table), kind.columns)
            partly(table).replace(table)
            written.append(_told(folder, f"{split}.parquet", told.rows))
        if form == "parquet":
            lines.unlink()
        else:
            written.append(told)
        origin = ({"row": place, "conversation": one.conversation, "turn": one.turn} for place, one in enumerate(some))
        written.append(write_lines(folder, f"{SOURCES}/{split}.jsonl", map(line_of, origin)))
    return sorted(written, key=lambda one: one.name)


def write_seed(folder: Path, kind: Kind, rows: Sequence[Spooled], spool: Spool) -> Written:
    """The rows of both splits in the seed's shape, under the seed's name."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_lines(folder, str(kind.seed_name), (spool.lines(one)[1] for one in rows))


def write_text(folder: Path, name: str, text: str) -> None:
    path = folder / name
    partly(path).write_text(text, encoding="utf-8")
    partly(path).replace(path)


def partly(path: Path) -> Path:
    """The name under which a file is written until it is whole."""
    return path.with_name(f".{path.name}.part")


def write_lines(folder: Path, name: str, lines: Iterable[bytes]) -> Written:
    """One file of lines, each ended."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    count = size = 0
    digest = hashlib.sha256()
    with partly(path).open("wb") as file:
        for line in lines:
            file.write(line)
            digest.update(line)
            count += 1
            size += len(line)
    partly(path).replace(path)
    return Written(name, count, size, digest.hexdigest())


def _told(folder: Path, name: str, rows: int) -> Written:
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Written(name, rows, (folder / name).stat().st_size, digest)
