"""How much of an answer somebody has heard: by what the client reports, else by how long the sentences last.

Needed when an answer is spoken over: history keeps only what was heard.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Playing:
    """The answer that is being played, of one socket. `elapsed_s` is a monotonic reading in seconds."""

    elapsed_s: Callable[[], float]
    turn: str | None = None
    _sent: dict[int, tuple[float, float]] = field(default_factory=dict)  # when, and how long it lasts, in seconds
    _reported: int | None = None
    _silent: bool = True
    _whole: bool = False

    def sent(self, turn: str, index: int, audio_s: float, *, last: bool) -> None:
        """A sentence is on its way to the loudspeaker."""
        if turn != self.turn:
            self.turn, self._sent, self._reported = turn, {}, None
        self._sent[index] = self.elapsed_s(), audio_s
        self._silent, self._whole = False, last

    def heard(self, turn: str, index: int | None) -> None:
        """The client says that a sentence was heard to its end; None: that nothing sounds any more."""
        if turn != self.turn:
            return
        if index is None:
            self._silent = True
            return
        self._reported = max(self._reported or 0, index + 1)
        self._silent = self._whole and self._reported >= len(self._sent)

    @property
    def sounds(self) -> bool:
        """Whether an answer is being played, as far as anybody knows."""
        if self.turn is None or self._silent:
            return False
        if self._reported is not None:
            return True
        return self.elapsed_s() < max(end_s for _, end_s in self._ends())

    @property
    def sentences_played(self) -> int:
        """How many sentences, from the first on, were heard to their end."""
        if self._reported is not None:
            return self._reported
        now_s, played = self.elapsed_s(), 0
        for index, end_s in self._ends():
            if index != played or end_s > now_s:
                break
            played += 1
        return played

    def _ends(self) -> list[tuple[int, float]]:
        """When each sentence is over that begins when it has come and the one before it is over."""
        ends: list[tuple[int, float]] = []
        end_s = float("-inf")
        for index, (came_s, audio_s) in sorted(self._sent.items()):
            end_s = max(end_s, came_s) + audio_s
            ends.append((index, end_s))
        return ends

    def stopped(self) -> None:
        """Nothing sounds any more."""
        self._silent = True
