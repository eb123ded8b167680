"""The prompts of one stage: looked for in three places, re-read when they change, named and hashed with each use.

A file is taken from the folder of own prompts where there is one, else from beside the stage, else from the copy within
the program: each file by itself, so that own examples go with the shipped template. What is spoilt while Parley runs is
told in the log once, and the text that worked goes on being used; what is gone is taken from the next place.
Knows no engine and no stage.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.engines.port import Message
from infra.prompts.shelf import PromptBroken, PromptMissing, Shelf, files_of
from infra.prompts.template import Example, Template, examples_in
from schemas.prompts import PromptUse

FILE_MAX_BYTES: Final = 64 * 1024  # ten times what a model that fits a laptop can read

_Stamp = tuple[Path, int, int, int] | None  # file, modification time in ns, size in bytes, inode; None: embedded

log = logging.getLogger("parley.prompts")


@dataclass(frozen=True, slots=True)
class Rendered:
    """Messages, and which text they came from."""

    messages: tuple[Message, ...]
    use: PromptUse


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a prompt. The hash is of the template's bytes, and of its examples' where it has a place for them:
    SHA-256(template) or SHA-256(template, a zero byte, examples)."""

    name: str
    text: str
    examples: tuple[Example, ...]
    origins: tuple[Path | None, ...]  # of template and, where used, of examples; None: embedded
    sha256: str
    template: Template


class Prompts:
    """The prompts of one shelf, each read at the start."""

    def __init__(self, shelf: Shelf, own: Path | None = None) -> None:
        """`own`: a folder whose files go before those of the stage.

        Raises PromptMissing when a prompt is nowhere, PromptBroken when one cannot be used.
        """
        self._shelf = shelf
        self._folders = [own, shelf.folder] if own is not None else [shelf.folder]
        self._seen = {given.name: self._stamps(given.name) for given in shelf.prompts}
        self._kept = {given.name: self._read(given.name, self._seen[given.name]) for given in shelf.prompts}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def render(self, name: str, values: Mapping[str, object], history: Sequence[Message] = ()) -> Rendered:
        """The prompt as messages.

        Raises PromptMissing, or PromptBroken when the values are not those that the shelf says are given.
        """
        given = self._shelf.given(name)
        for wrong, told in ((given.sample.keys() - values.keys(), "no"), (values.keys() - given.sample.keys(), "a")):
            if wrong:
                known = ", ".join(sorted(given.sample)) or "none"
                raise PromptBroken(f"prompt {name!r}: {told} value for {sorted(wrong)[0]!r}; it is given {known}")
        version = self.version(name)
        try:
            messages = version.template.filled(values, version.examples, history)
        except PromptBroken as error:
            if (shipped := self._shipped(name)).sha256 == version.sha256:
                raise PromptBroken(f"prompt {name!r}: {error}") from error
            log.warning("prompt %s cannot be filled in (%s): the one that comes with Parley is used", name, error)
            version = shipped
            messages = version.template.filled(values, version.examples, history)
        return Rendered(messages, PromptUse(name=name, sha256=version.sha256))

    def version(self, name: str) -> Version:
        """The version that is used now. Raises PromptMissing."""
        if name not in self._kept:
            self._shelf.given(name)
        stamps = self._stamps(name)
        if stamps != self._seen[name]:
            self._seen[name] = stamps
            try:
                self._kept[name] = self._read(name, stamps)
                log.info("prompt %s is read anew: %s", name, self._kept[name].sha256[:12])
            except (PromptBroken, PromptMissing) as error:
                log.warning("prompt %s stays as it was: %s", name, error)
        return self._kept[name]

    def _shipped(self, name: str) -> Version:
        """The one that comes with Parley, whatever own files say. Raises PromptMissing, PromptBroken."""
        return self._read(name, tuple(self._stamp(file, [self._shelf.folder]) for file in files_of(name)))

    def _stamps(self, name: str) -> tuple[_Stamp, ...]:
        return tuple(self._stamp(file, self._folders) for file in files_of(name))

    def _stamp(self, file: str, folders: Sequence[Path]) -> _Stamp:
        for folder in folders:
            path = folder / file
            try:
                stat = path.stat()
            except OSError:
                continue
            return path, stat.st_mtime_ns, stat.st_size, stat.st_ino
        return None

    def _read(self, name: str, stamps: Sequence[_Stamp]) -> Version:
        file, examples_file = files_of(name)
        found = self._bytes(file, stamps[0])
        if found is None:
            raise PromptMissing(f"{self._shelf.folder / file}: there is no such file, and no copy of it in the program")
        text = decoded(found, _told(file, stamps[0]))
        with _placed(file, stamps[0]):
            template = Template(text)
        examples: tuple[Example, ...] = ()
        second: bytes | None = None
        if template.has_examples:
            if (second := self._bytes(examples_file, stamps[1])) is None:
                raise PromptBroken(f"{_told(file, stamps[0])}: '--- examples' has no {examples_file} beside it")
            with _placed(examples_file, stamps[1]):
                examples = examples_in(decoded(second, _told(examples_file, stamps[1])))
        with _placed(file, stamps[0]):
            template.checked(self._shelf.given(name), examples)
        return Version(
            name=name,
            text=text,
            examples=examples,
            origins=tuple(stamp[0] if stamp else None for stamp in stamps[: 1 + template.has_examples]),
            sha256=hashlib.sha256(found if second is None else found + b"\0" + second).hexdigest(),
            template=template,
        )

    def _bytes(self, file: str, stamp: _Stamp) -> bytes | None:
        """What a file holds; None when it is nowhere. Raises PromptBroken when it is there and cannot be read."""
        if stamp is None:
            embedded = self._shelf.embedded.get(file)
            return None if embedded is None else embedded.encode()
        try:
            with stamp[0].open("rb") as opened:
                found = opened.read(FILE_MAX_BYTES + 1)
        except OSError as error:
            raise PromptBroken(f"{stamp[0]}: {error.strerror}") from error
        if len(found) > FILE_MAX_BYTES:
            raise PromptBroken(f"{stamp[0]}: more than {FILE_MAX_BYTES} bytes; a prompt is shorter")
        return found


def decoded(found: bytes, place: str) -> str:
    """Text as any editor may have written it. Raises PromptBroken when it is not UTF-8."""
    try:
        return found.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise PromptBroken(f"{place}: not UTF-8: byte {error.start} cannot be read") from error


@contextmanager
def _placed(file: str, stamp: _Stamp) -> Iterator[None]:
    """Whatever is broken within is told with its file."""
    try:
        yield
    except PromptBroken as error:
        raise PromptBroken(f"{_told(file, stamp)}: {error}") from error


def _told(file: str, stamp: _Stamp) -> str:
    return str(stamp[0]) if stamp else f"{file} (embedded)"
