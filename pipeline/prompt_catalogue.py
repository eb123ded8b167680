"""All stages' prompts together: found by name, checked as a whole, and their copy within the program written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.prompts import Given, PromptMissing, Prompts, Shelf
from infra.prompts.checking import strays, troubles
from infra.prompts.embedding import embedded_module, path_of
from stages.chat.prompting import SHELF as CHAT
from stages.intent.prompting import SHELF as INTENT

SHELVES: Final[tuple[Shelf, ...]] = (INTENT, CHAT)


def find(name: str, shelves: Sequence[Shelf] = SHELVES) -> tuple[Shelf, Given]:
    """The prompt of this name, which is one for all stages. Raises PromptMissing."""
    for shelf in shelves:
        for given in shelf.prompts:
            if given.name == name:
                return shelf, given
    known = ", ".join(sorted(given.name for shelf in shelves for given in shelf.prompts))
    raise PromptMissing(f"NAME: there is no prompt {name!r}; expected one of {known}")


def opened(name: str, own: Path | None, shelves: Sequence[Shelf] = SHELVES) -> tuple[Prompts, Given]:
    """One prompt alone: another that is broken does not stand in its way. Raises PromptMissing, PromptBroken."""
    shelf, given = find(name, shelves)
    return Prompts(Shelf(shelf.stage, shelf.folder, shelf.embedded, (given,)), own), given


def checked(own: Path | None, shelves: Sequence[Shelf] = SHELVES) -> list[str]:
    """One line for each trouble with any prompt; empty when there is none."""
    names = Counter(given.name for shelf in shelves for given in shelf.prompts)
    found = [f"prompt {name!r}: {times} stages have one of this name" for name, times in names.items() if times > 1]
    for shelf in shelves:
        found += troubles(shelf, own)
        if shelf.folder.is_dir():
            found += strays(shelf.folder, {given.name for given in shelf.prompts})
    return found + (strays(own, set(names)) if own is not None else [])


def embed(shelves: Sequence[Shelf] = SHELVES) -> list[Path]:
    """Write the copies that differ from the files; which were written."""
    written: list[Path] = []
    for shelf in shelves:
        path, text = path_of(shelf), embedded_module(shelf.folder)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
