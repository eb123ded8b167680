"""What a stage says about its prompts: where they lie, the copy within the program, and what each is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import SchemaError

TEMPLATE_SUFFIX: Final = ".txt"
EXAMPLES_SUFFIX: Final = ".examples.jsonl"


class PromptMissing(SchemaError):
    """There is no prompt of this name: no file, and no copy in the program."""


class PromptBroken(SchemaError):
    """A prompt cannot be used: its syntax, its examples, or a variable that nobody gives. One line, with the place."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the stage gives one prompt.

    `sample` has all its variables, each with a value as it might be: a file is tried on them before it is used.
    """

    name: str
    sample: Mapping[str, object]
    history: bool = False  # whether earlier messages are handed over too


@dataclass(frozen=True, slots=True)
class Shelf:
    """The prompts of one stage. `embedded` has the text of each of its files by file name (see embedding.py)."""

    stage: str
    folder: Path
    embedded: Mapping[str, str]
    prompts: tuple[Given, ...]

    def given(self, name: str) -> Given:
        """Raises PromptMissing."""
        for given in self.prompts:
            if given.name == name:
                return given
        known = ", ".join(sorted(given.name for given in self.prompts))
        raise PromptMissing(f"prompt {name!r}: there is none; expected one of {known}")


def files_of(name: str) -> tuple[str, str]:
    """The names of a prompt's two files: its template, and its examples, which it need not have."""
    return name + TEMPLATE_SUFFIX, name + EXAMPLES_SUFFIX
