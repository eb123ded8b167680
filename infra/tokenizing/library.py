"""Counts with the `tokenizers` library: a tokenizer.json, or the one of a model on the hub (which is then fetched)."""

from pathlib import Path
from typing import Any, Final

from infra.tokenizing.port import TokenizerFailed

FILE: Final = "tokenizer.json"
_SHOWN_ERROR_CHARS: Final = 160


class LibraryTokenizer:
    """One loaded tokenizer."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._name = name

    @classmethod
    def of_file(cls, file: Path) -> "LibraryTokenizer":
        """Raises TokenizerFailed."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(file)), file.parent.resolve().name)
        except Exception as error:  # the library raises bare Exception for whatever is wrong in a file
            raise TokenizerFailed(f"{file}: {_line(error)}") from error

    @classmethod
    def of_hub(cls, name: str, token: str | None) -> "LibraryTokenizer":
        """Fetch it, unless it was fetched before. Raises TokenizerFailed."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_pretrained(name, token=token), name)
        except Exception as error:  # network, rights, a name that is none: all its own kinds of error
            raise TokenizerFailed(f"{name} cannot be fetched from the hub: {_line(error)}") from error

    @property
    def name(self) -> str:
        return self._name

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def close(self) -> None:
        pass


def _line(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())}"[:_SHOWN_ERROR_CHARS]
