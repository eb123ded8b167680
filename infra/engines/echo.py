"""Takes the echo off a continued answer: some servers repeat what the assistant had already said, others do not.

llama.cpp has done both, from one version to the next, so the answer itself has to tell.
"""


class Echo:
    """Drops the prefix from the beginning of a stream if, and only if, the stream begins with all of it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._held = ""  # what may still turn out to be the echo
        self._open = bool(prefix)

    def without(self, piece: str) -> str:
        """The new part of the next piece; empty as long as it may still belong to the echo."""
        if not self._open:
            return piece
        self._held += piece
        if len(self._held) < len(self._prefix) and self._prefix.startswith(self._held):
            return ""
        return self.rest().removeprefix(self._prefix)

    def rest(self) -> str:
        """What is still held when the stream ends: it began like an echo and was none."""
        self._open = False
        held, self._held = self._held, ""
        return held
