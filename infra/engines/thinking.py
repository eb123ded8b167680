"""Leaves out of an answer what a model thinks aloud before it: `<think> … </think>` at its very beginning.

Some models (Qwen3, DeepSeek-R1) do so unless told otherwise, and not every server takes it out. Nobody wants to hear
it.
"""

from typing import Final

_OPENS: Final = "<think>"
_CLOSES: Final = "</think>"


class Thinking:
    """Of one answer, fed piece by piece."""

    def __init__(self) -> None:
        self._held = ""
        self._answers = False  # the thinking is over, or there was none
        self.thinks = False

    def left_out(self, piece: str) -> str:
        """What of the text so far is the answer's, beyond what was returned before."""
        if self._answers:
            return piece
        self._held += piece
        if not self.thinks:
            begun = self._held.lstrip()
            if not begun.startswith(_OPENS):
                return "" if _OPENS.startswith(begun) else self._rest()
            self.thinks = True
            self._held = begun.removeprefix(_OPENS)
        _, closed, answer = self._held.partition(_CLOSES)
        if not closed:
            self._held = self._held[-len(_CLOSES) :]
            return ""
        self._held = answer
        if not answer.strip():
            self._held = _CLOSES  # the white space between thinking and answer belongs to neither
            return ""
        return self._rest().lstrip()

    def rest(self) -> str:
        """What is held back when the answer ends: of one that never began to think, its beginning."""
        return "" if self.thinks or self._answers else self._rest()

    def _rest(self) -> str:
        self._answers, held = True, self._held
        self._held = ""
        return held
