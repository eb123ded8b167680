"""The port through which tokens are counted."""

from typing import Protocol


class Tokenizer(Protocol):
    """One model's way to cut a text into tokens."""

    @property
    def name(self) -> str:
        """What it is called, without a path of this machine."""

    def count(self, text: str) -> int:
        """How many tokens the text has, without any that begin or end a prompt. Raises TokenizerFailed."""

    def close(self) -> None:
        """Free what it holds."""


class TokenizerFailed(Exception):
    """It cannot be loaded, or has stopped answering; the message says why."""
