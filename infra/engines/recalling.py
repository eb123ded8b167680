"""Answers that an engine gave before, for when no engine can be asked: bounded, and of questions that stood alone.

Only what was asked without a conversation around it is kept, so that nobody hears what was meant for somebody else.
It generates nothing: a question that it does not know is for the next engine of the list.
"""

import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from cachetools import TTLCache

from infra.clock import Clock
from infra.engines.port import Ask, Delta, EngineHealth, EngineRefused

KEPT_MAX: Final = 256  # questions; the one that was not asked for longest goes first
KEPT_FOR: Final = timedelta(days=1)  # an older answer may no longer be true
TEXT_MAX_CHARS: Final = 2_000
_WORD: Final = re.compile(r"\w+")


class RecallingEngine:
    """Remembers answers of one process, and gives them again."""

    def __init__(self, clock: Clock) -> None:
        self._kept: TTLCache[str, str] = TTLCache(
            KEPT_MAX, KEPT_FOR.total_seconds(), timer=lambda: clock.now().timestamp()
        )

    @property
    def backend(self) -> str:
        return "recalled"

    @property
    def model(self) -> str:
        return "earlier answers"

    def keep(self, ask: Ask, text: str) -> None:
        """Remember a whole answer, if its question stood alone."""
        if ask.alone and text.strip() and len(text) <= TEXT_MAX_CHARS:
            self._kept[_key(ask.alone)] = text

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Give the answer in one piece. Raises EngineRefused: the question is not known, or not one alone."""
        kept = self._kept.get(_key(ask.alone)) if ask.alone and ask.schema is None and not ask.continues else None
        if kept is None:
            raise EngineRefused("recalled: nothing was answered to this before")
        yield Delta(kept)
        yield Delta("", "stop")

    async def health(self) -> EngineHealth:
        return EngineHealth(True, detail={"answers": len(self._kept)})

    async def aclose(self) -> None:
        return None


def _key(question: str) -> str:
    """The words of the question: neither case nor marks make another one of it."""
    return " ".join(_WORD.findall(question.casefold()))
