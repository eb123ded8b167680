"""An engine that says what a script tells it to, with set delays, failures and cuts: for tests and benchmarks.

It generates nothing. It keeps what it was asked, and of its latest answers how far each came, when, and whether it was
closed before its end.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from infra.engines.port import Ask, Delta, EngineCut, EngineError, EngineHealth, Finish

STREAMS_KEPT: Final = 1_000  # the latest
_PIECE: Final = re.compile(r"\s*\S+|\s+\Z")  # a word with the space before it, which is much like a token


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the script."""

    text: str = ""
    finish: Finish = "stop"
    first_delay_s: float = 0.0  # before the first piece
    gap_s: float = 0.0  # between pieces
    error: EngineError | None = None  # raised instead of a first piece
    cut_after: int | None = None  # pieces; then the stream breaks
    cut_error: EngineError | None = None  # what it breaks with; None: EngineCut


Script: TypeAlias = Callable[[Ask], Answer]


def saying(text: str) -> Script:
    """The same answer to everything."""
    return lambda _: Answer(text)


def by_question(answers: Mapping[str, Answer], otherwise: Answer) -> Script:
    """The first answer whose key stands in the last user message, case ignored."""

    def choose(ask: Ask) -> Answer:
        asked = next((m.content for m in reversed(ask.messages) if m.role == "user"), "").lower()
        return next((answer for key, answer in answers.items() if key.lower() in asked), otherwise)

    return choose


@dataclass(slots=True)
class Stream:
    """How far an answer has come; times are of CLOCK_MONOTONIC, which all processes of a machine share."""

    conversation: str
    began_s: float
    pieces: int = 0
    last_piece_s: float | None = None
    ended_s: float | None = None
    closed_early: bool = False  # whoever read it went away


class ScriptedEngine:
    """Follows the port to the letter: max_tokens (a word counts as a token), continuation, closing."""

    def __init__(self, script: Script, model: str = "scripted", backend: str = "scripted") -> None:
        self.script = script  # may be changed at any time: an engine that recovers
        self.asked: list[Ask] = []
        self.running = 0
        self.closed_early = 0
        self.streams: deque[Stream] = deque(maxlen=STREAMS_KEPT)
        self._model = model
        self._backend = backend

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def model(self) -> str:
        return self._model

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Stream the script's answer. Raises what the script says."""
        self.asked.append(ask)
        self.running += 1
        now = asyncio.get_running_loop().time
        stream = Stream(ask.conversation, now())
        self.streams.append(stream)
        ended = False
        try:
            answer = self.script(ask)
            await asyncio.sleep(answer.first_delay_s)
            if answer.error is not None:
                ended = True
                raise answer.error
            pieces = _PIECE.findall(answer.text.removeprefix(ask.continues))
            for place, piece in enumerate(pieces[: ask.max_tokens]):
                if place == answer.cut_after:
                    ended = True
                    raise answer.cut_error or EngineCut("the script cuts here")
                stream.pieces, stream.last_piece_s = place + 1, now()
                yield Delta(piece)
                await asyncio.sleep(answer.gap_s)
            ended = True
            short = len(pieces) > ask.max_tokens
            prompt_tokens = sum(len(_PIECE.findall(message.content)) for message in ask.messages)
            yield Delta("", "length" if short else answer.finish, prompt_tokens, min(len(pieces), ask.max_tokens))
        finally:
            self.running -= 1
            self.closed_early += not ended
            stream.ended_s, stream.closed_early = now(), not ended

    async def health(self) -> EngineHealth:
        return EngineHealth(True)

    async def aclose(self) -> None:
        return None
