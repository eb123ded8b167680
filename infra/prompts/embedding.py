"""Writes the copy of a stage's prompts that lies within the program: a module of texts, beside the stage.

A file can be deleted, unreadable, or left out where somebody copies only the code. A module is loaded with the program
or the program does not start at all, so it is the one place that cannot be missing later. It is written from the files
(`parley prompts embed`), and a test fails as long as it differs from them.
"""

from pathlib import Path
from typing import Final

from infra.prompts.shelf import EXAMPLES_SUFFIX, TEMPLATE_SUFFIX, Shelf

MODULE: Final = "embedded_prompts.py"


def path_of(shelf: Shelf) -> Path:
    """Where the copy of a shelf lies."""
    return shelf.folder.parent / MODULE


def embedded_module(folder: Path) -> str:
    """The source of a module whose EMBEDDED has the text of each prompt file in a folder, by its name."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith((TEMPLATE_SUFFIX, EXAMPLES_SUFFIX)))
    lines = [
        '"""The prompts beside this file, for when one of them is gone. Written by `parley prompts embed`."""',
        "",
        "# fmt: off",
        "from collections.abc import Mapping",
        "from typing import Final",
        "",
        "EMBEDDED: Final[Mapping[str, str]] = {",
    ]
    for path in files:
        lines.append(f'    "{path.name}": (')
        lines += [f"        {line!r}" for line in path.read_bytes().decode().splitlines(keepends=True)]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])
