"""A GGUF model in this process, run by the library gpt4all: one answer at a time, in a thread of its own.

It is a Generator (infra/engines/port.py), but meant to be alone in its process: infra/engines/gpt4all.py starts that.
Nothing is downloaded. What the library cannot do is not made up: it takes no schema (contracts are asked for in words
and checked on arrival) and no seed (at temperature 0 an answer is the same each time).

The library's own `generate` does not read the tokens that structure a chat, cannot be stopped while it reads the
prompt and begins each prompt from nothing, so its lower call, `prompt_model`, is used, which can do all three.
"""

import asyncio
import codecs
import os
import re
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from infra.engines.chat_template import ChatTemplate, TemplateUnusable
from infra.engines.gguf_file import facts_of
from infra.engines.port import Ask, Delta, EngineHealth, EngineRefused, Finish

BACKEND: Final = "gpt4all"
# Prompt tokens computed at once. A stop is seen between two batches: 130 ms on one core with 135M parameters.
# Larger ones gain next to nothing (1,223 tokens: 8 at once 11.4 s, 32 10.1 s, 512 10.2 s).
BATCH_TOKENS: Final = 16
PENALTY_LOOKS_BACK: Final = 64  # tokens, as in llama.cpp's server
_UNTIL_STOPPED: Final = 1 << 20  # the callback counts the answer's tokens, so that the reason of its end is known
_TOO_LONG: Final = -1  # the library's token id for "this is an error message"
_REASON: Final = re.compile(r"^llama_model_load: (?:error loading model: )+(.+)$", re.MULTILINE)


class ModelNotLoaded(Exception):
    """The library cannot use this model; the message has its own reason."""


@dataclass(slots=True)
class _Run:
    """One answer while it is being made. The thread writes it; read it when the thread is done."""

    most_tokens: int
    fed: list[int]  # the prompt's tokens that the model has read, those kept from the last prompt included
    prompt_is_too_long: bool = False
    tokens: int = 0
    finish: Finish = "stop"
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )


class Gpt4allModel:
    """One model file, loaded."""

    def __init__(self, path: Path, threads: int, context_tokens: int) -> None:
        """Load it: seconds. Raises GgufUnusable, TemplateUnusable, ModelNotLoaded; ImportError without the library."""
        facts = facts_of(path)
        self._facts = facts
        self._template = ChatTemplate(facts.chat_template, facts.bos, facts.eos)
        self._name = path.stem
        self._context_tokens = min(context_tokens, facts.context_tokens or context_tokens)
        self._control = re.compile("|".join(map(re.escape, sorted(facts.control, key=len, reverse=True))) or r"(?!)")
        self._last_prompt = ""
        self._last_fed: list[int] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=BACKEND)
        probe = _Run(0, [])
        with _native_stderr() as said:
            self._library = _made(path, self._context_tokens, said)
            # Bytes as they come: a token may be part of a letter, and the library's decoder does not count such ones.
            self._library._callback_decoder = lambda callback: callback
            self._prompted("x", Ask((), 0, datetime.max.replace(tzinfo=UTC)), probe, lambda _: None, threading.Event())
            if not probe.fed:  # a model that was not loaded reads nothing; the reason is on stderr only
                raise ModelNotLoaded(said() or "the library does not say why")
        self._adds_bos = probe.fed[0] == facts.bos_id
        self._library.set_thread_count(threads)

    @property
    def backend(self) -> str:
        return BACKEND

    @property
    def model(self) -> str:
        return self._name

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together."""
        return self._context_tokens

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Stream the answer; its deadline and priority are the caller's to keep. Raises EngineRefused."""
        try:
            prompt = self._template.render(ask.messages) + ask.continues
        except TemplateUnusable as error:
            raise EngineRefused(f"{self._name}: {error}") from error
        prompt = prompt.replace("\0", "")  # C's end of a text
        loop, pieces, stopped = asyncio.get_running_loop(), asyncio.Queue[str | None](), threading.Event()

        def say(piece: str) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        running = loop.run_in_executor(self._thread, self._answered, prompt, ask, say, stopped)
        running.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield Delta(piece)
            run = await running
            yield Delta(run.decoder.decode(b"", final=True), run.finish, len(run.fed), run.tokens)
        finally:
            stopped.set()
            await asyncio.wait({running})  # it ends with the token or batch that it is at

    async def health(self) -> EngineHealth:
        return EngineHealth(True, detail={"models": [self._name]})

    async def aclose(self) -> None:
        """Waits for what is being generated."""
        await asyncio.to_thread(self._thread.shutdown)
        self._library.close()

    # In the thread

    def _answered(self, prompt: str, ask: Ask, say: Callable[[str], None], stopped: threading.Event) -> _Run:
        if self._adds_bos:
            prompt = prompt.removeprefix(self._facts.bos)  # the library puts it there: it would stand there twice
        kept, rest = self._already_read(prompt)
        run = _Run(ask.max_tokens, self._last_fed[:kept])
        self._last_prompt, self._last_fed = "", []  # until it is known how far this one came
        self._prompted(rest, ask, run, say, stopped)
        if run.prompt_is_too_long:
            raise EngineRefused(
                f"{self._name}: messages: the prompt does not fit; expected at most "
                f"{self._context_tokens - BATCH_TOKENS} tokens"
            )
        if run.tokens or not stopped.is_set():
            self._last_prompt, self._last_fed = prompt, run.fed
        return run

    def _prompted(self, text: str, ask: Ask, run: _Run, say: Callable[[str], None], stopped: threading.Event) -> None:
        """Have the model read the text after what it has read, and answer."""
        longest = self._context_tokens - BATCH_TOKENS  # beyond it the library would silently forget the beginning

        def read(token: int) -> bool:
            run.fed.append(token)
            run.prompt_is_too_long |= len(run.fed) > longest
            return not (run.prompt_is_too_long or stopped.is_set())

        def answered(token: int, piece: bytes) -> bool:
            if token == _TOO_LONG:
                run.prompt_is_too_long = True
                return False
            if token in self._facts.ends or stopped.is_set():
                return False
            run.tokens += 1
            if text := run.decoder.decode(piece):
                say(text)
            if run.tokens >= min(run.most_tokens, self._context_tokens - len(run.fed) - 1):
                run.finish = "length"
                return False
            return True

        self._library._prompt_callback = read
        if self._library.context is not None:
            self._library.context.n_past = len(run.fed)
        self._library.prompt_model(
            text,
            "%1%2",  # the prompt, then the answer; after a "%1" alone the library puts a blank line into the prompt
            answered,
            n_predict=_UNTIL_STOPPED if run.most_tokens else 0,
            temp=ask.temperature,
            top_k=ask.top_k,
            top_p=ask.top_p,
            min_p=0.0,
            repeat_penalty=ask.repetition_penalty,
            repeat_last_n=PENALTY_LOOKS_BACK,
            n_batch=BATCH_TOKENS,
            special=True,  # read the template's markers as what they are
        )

    def _already_read(self, prompt: str) -> tuple[int, str]:
        """How many tokens at the beginning of the last prompt are this one's too, and the text that follows them.

        They are told apart at a control token, where what stands before it is split into tokens in one way only.
        """
        common = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._last_prompt, prompt, strict=False))
        )
        found = list(self._control.finditer(self._last_prompt))
        numbers = set(self._facts.control.values())
        places = [place for place, token in enumerate(self._last_fed) if token in numbers][int(self._adds_bos) :]
        shared = sum(match.end() <= common for match in found)
        if not shared or len(found) != len(places):
            return 0, prompt
        return places[shared - 1], prompt[found[shared - 1].start() :]


def _made(path: Path, context_tokens: int, said: Callable[[], str]) -> Any:
    """The library's model. One that could not be loaded is returned all the same: it reads nothing."""
    from gpt4all import GPT4All

    try:
        options = {"allow_download": False, "device": "cpu", "n_ctx": context_tokens}
        return GPT4All(path.name, model_path=path.parent, **options).model
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelNotLoaded(said() or str(error)) from error


@contextmanager
def _native_stderr() -> Iterator[Callable[[], str]]:
    """Keep what the library's native code writes to stderr, and give the reason of a failed load in it when asked.

    It complains there about each GPU library that this machine lacks, and that is also the only place where it says
    why a model was not loaded.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:

        def reason() -> str:
            kept.seek(0)
            found = _REASON.search(kept.read().decode(errors="replace"))
            return found[1] if found else ""

        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield reason
        finally:
            os.dup2(before, 2)
            os.close(before)
