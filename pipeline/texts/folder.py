"""Reads the .txt and .md files of a folder, in the order of their names, and says why another is left out.

Folders within are walked; what begins with a dot and what is a link is not looked at. Texts are UTF-8.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.errors import InvalidField

SUFFIXES: Final = (".txt", ".md")
FILE_MAX_BYTES: Final = 64 * 1024 * 1024  # a hundred novels; what is larger is a dump, and would not fit memory
_KEPT_CONTROLS: Final = "\t\n"


@dataclass(frozen=True, slots=True)
class TextFile:
    """One file that can be read."""

    name: str  # its path within the folder, with slashes
    sha256: str
    text: str  # NFC, lines ended by \n

    @property
    def is_markdown(self) -> bool:
        return self.name.lower().endswith(".md")


@dataclass(slots=True)
class Folder:
    """What a folder holds."""

    files: list[TextFile] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # by reason
    notes: list[str] = field(default_factory=list)  # a line for each file that a person may want to mend


def read(folder: Path) -> Folder:
    """All of it. Raises InvalidField when it is no folder."""
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "not there"
        raise InvalidField("FOLDER", str(folder), f"a folder with {' and '.join(SUFFIXES)} files; this is {what}")
    found = Folder()
    for path in _walked(folder, found):
        name = _shown(path.relative_to(folder).as_posix())
        try:
            data = _bytes(path)
            found.files.append(TextFile(name, hashlib.sha256(data).hexdigest(), _text(data)))
        except _Unfit as unfit:
            found.left_out[unfit.reason] += 1
            if unfit.how is not None:
                found.notes.append(f"{name}: {unfit.how}")
    found.files.sort(key=lambda file: file.name)
    found.notes.sort()
    return found


class _Unfit(Exception):
    """A file that is left out; `how` says what a person can do about it."""

    def __init__(self, reason: str, how: str | None = None) -> None:
        self.reason = reason
        self.how = how
        super().__init__(reason)


def _walked(folder: Path, found: Folder) -> list[Path]:
    """The files with a wanted suffix; the others are counted."""
    paths: list[Path] = []

    def unreadable(error: OSError) -> None:
        found.left_out["folders that cannot be read"] += 1
        found.notes.append(f"{_shown(os.path.relpath(error.filename, folder))}: {error.strerror}")

    for above, folders, files in os.walk(folder, onerror=unreadable):
        for name in [*folders, *files]:
            path = Path(above, name)
            if name.startswith("."):
                found.left_out["hidden files and folders"] += 1
            elif path.is_symlink():
                found.left_out["links, which are not followed"] += 1
            elif name in folders:
                continue
            elif path.suffix.lower() not in SUFFIXES:
                found.left_out["files of other kinds"] += 1
            else:
                paths.append(path)
        folders[:] = sorted(each for each in folders if not each.startswith("."))  # os.walk follows no links
    return sorted(paths)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise _Unfit("no plain files")
        if (size := path.stat().st_size) > FILE_MAX_BYTES:
            raise _Unfit("too large", f"{size} bytes; expected at most {FILE_MAX_BYTES}: divide it")
        return path.read_bytes()
    except OSError as error:
        raise _Unfit("files that cannot be read", str(error.strerror)) from error


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte 0x{data[error.start]:02x} at {error.start} is no UTF-8"
        raise _Unfit("not UTF-8", f"{what}; expected a text in UTF-8 (`iconv -f latin1 -t utf-8` makes one)") from error
    if "\0" in text:
        raise _Unfit("not texts", f"a zero byte stands at {text.index(chr(0))}; expected a text")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    text = "".join(char for char in text if char in _KEPT_CONTROLS or unicodedata.category(char) != "Cc")
    if not text.strip():
        raise _Unfit("empty")
    return unicodedata.normalize("NFC", text)


def _shown(name: str) -> str:
    """A file's name as UTF-8 can have it."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
