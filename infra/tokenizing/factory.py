"""Finds the tokenizer that a person names: a GGUF file, a tokenizer.json, a folder that holds one, or a hub's name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.engines.gguf_file import MAGIC
from infra.tokenizing.gguf import GgufTokenizer
from infra.tokenizing.library import FILE, LibraryTokenizer
from infra.tokenizing.port import Tokenizer
from schemas.errors import InvalidField

FIELD: Final = "--tokenizer"
EXPECTED: Final = f"a GGUF file, a {FILE}, a folder that holds one, or a model's name on the hub (owner/name)"
_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")


@contextmanager
def opened(named: str | None, hub_token: str | None) -> Iterator[Tokenizer]:
    """The tokenizer; None names the bundled SmolLM2's. Raises InvalidField, TokenizerFailed, WeightsMissing."""
    tokenizer = GgufTokenizer() if named is None else _named(named, hub_token)
    try:
        yield tokenizer
    finally:
        tokenizer.close()


def _named(named: str, hub_token: str | None) -> Tokenizer:
    path = Path(named).expanduser()
    try:
        if path.is_dir() and (path / FILE).is_file():
            return LibraryTokenizer.of_file(path / FILE)
        if path.is_dir():
            raise InvalidField(FIELD, named, f"a folder with a {FILE}; this one has none")
        if path.is_file():
            with path.open("rb") as file:
                is_gguf = file.read(len(MAGIC)) == MAGIC
            return GgufTokenizer(path) if is_gguf else LibraryTokenizer.of_file(path)
    except OSError as error:
        raise InvalidField(FIELD, named, f"{EXPECTED}; it cannot be read: {error.strerror}") from error
    if not _HUB_NAME.fullmatch(named) or named.endswith((".json", ".gguf")):
        raise InvalidField(FIELD, named, f"{EXPECTED}; there is no such file")
    return LibraryTokenizer.of_hub(named, hub_token)
