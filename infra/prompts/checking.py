"""Looks at every file of a shelf in every place, and says in one line each what is wrong or cannot be as it was meant.

Stricter than reading: what reading puts up with (a variable that is not used, an order of roles that only some models
take, text that will be changed) is told here.
"""

from pathlib import Path

from infra.engines.port import Message
from infra.prompts.files import Prompts, Version
from infra.prompts.neutral import neutral
from infra.prompts.shelf import Given, PromptBroken, PromptMissing, Shelf, files_of
from infra.prompts.template import order_of

_HISTORY = (Message("user", "What did I say?"), Message("assistant", "That you are tired."))


def troubles(shelf: Shelf, own: Path | None = None) -> list[str]:
    """One line a trouble: of the files as they are used, of the shipped ones alone, and of the copy in the program."""
    nowhere = Shelf(shelf.stage, shelf.folder / "nowhere", shelf.embedded, shelf.prompts)
    found: list[str] = []
    for given in shelf.prompts:
        for layer, folder in ((shelf, own), (shelf, None), (nowhere, None)):
            alone = Shelf(layer.stage, layer.folder, layer.embedded, (given,))
            try:
                version = Prompts(alone, folder).version(given.name)
            except (PromptBroken, PromptMissing) as error:
                found.append(str(error))
            else:
                found += (f"{version.origins[0] or f'{given.name} (embedded)'}: {each}" for each in _of(version, given))
        found += _gone(shelf, given)
    return list(dict.fromkeys(found))


def strays(folder: Path, names: set[str]) -> list[str]:
    """The files of a folder of own prompts that are no prompt's, and are therefore never read."""
    known = {file for name in names for file in files_of(name)}
    return [
        f"{path}: is never read; expected one of {', '.join(sorted(known))}"
        for path in sorted(folder.iterdir())
        if path.name not in known
    ]


def _of(version: Version, given: Given) -> list[str]:
    """What is wrong with one that can be used."""
    template = version.template
    found = [f"variable {name!r} is given and not used" for name in sorted(given.sample.keys() - template.variables)]
    if given.history and not template.has_history:
        found.append("a history is given and has no place: add a line '--- history'")
    if (changed := neutral(version.text)) != version.text:
        place = next(at for at, char in enumerate(version.text) if changed[at : at + 1] != char)
        shown = version.text[max(0, place - 1) : place + 12]
        found.append(f"{shown!r} looks like a marker of a chat template, and is broken by a space")
    order = order_of(template.filled(given.sample, version.examples, _HISTORY if given.history else ()))
    return found + ([order] if order else [])


def _gone(shelf: Shelf, given: Given) -> list[str]:
    return [
        f"{shelf.folder / file}: is gone; the copy within the program is used"
        for file in files_of(given.name)
        if file in shelf.embedded and not (shelf.folder / file).exists()
    ]
