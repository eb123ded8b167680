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
    _lengths_s: dict[int, float] = field(default_factory=dict)
    _began_s: float = 0.0
    _reported: int | None = None
    _silent: bool = True
    _whole: bool = False

    def sent(self, turn: str, index: int, audio_s: float, *, last: bool) -> None:
        """A sentence is on its way to the loudspeaker."""
        if turn != self.turn:
            self.turn, self._lengths_s, self._reported = turn, {}, None
            self._began_s = self.elapsed_s()
        self._lengths_s[index] = audio_s
        self._silent, self._whole = False, last

    def heard(self, turn: str, index: int | None) -> None:
        """The client says that a sentence was heard to its end; None: that nothing sounds any more."""
        if turn != self.turn:
            return
        if index is None:
            self._silent = True
            return
        self._reported = max(self._reported or 0, index + 1)
        self._silent = self._whole and self._reported >= len(self._lengths_s)

    @property
    def sounds(self) -> bool:
        """Whether an answer is being played, as far as anybody knows."""
        if self.turn is None or self._silent:
            return False
        if self._reported is not None:
            return True
        return self.elapsed_s() - self._began_s < sum(self._lengths_s.values())

    @property
    def sentences_played(self) -> int:
        """How many sentences, from the first on, were heard to their end."""
        if self._reported is not None:
            return self._reported
        left_s, played = self.elapsed_s() - self._began_s, 0
        for index in sorted(self._lengths_s):
            left_s -= self._lengths_s[index]
            if index != played or left_s < 0:
                break
            played += 1
        return played

    def stopped(self) -> None:
        """Nothing sounds any more."""
        self._silent = True
