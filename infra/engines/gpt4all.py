"""The backend `gpt4all` as a process of its own: a GGUF file of yours, run by the library gpt4all, served on loopback.

`python -m infra.engines.gpt4all --port 8081 --model FILE.gguf` with the key in PARLEY_ENGINE_API_KEY (or in
--api-key-file). Once it can be asked it prints one line, `listening on http://127.0.0.1:8081`, and serves until
SIGTERM or SIGINT. Otherwise it says why on one line and exits with 1. The client is infra/engines/compatible.py; what
answers is infra/engines/gpt4all_model.py behind infra/engines/chat_server.py. Nothing is ever downloaded.

The library (2.8.2, its last) has a llama.cpp of autumn 2024: newer models are refused, with its reason.
"""

import argparse
import importlib.util
import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.engines import gguf_file
from infra.engines.chat_template import TemplateUnusable
from infra.engines.gguf_file import GgufUnusable
from infra.engines.gpt4all_model import Gpt4allModel, ModelNotLoaded
from infra.engines.llama_cpp import HOST, EngineNotStarted, cores, key_from, usual_threads

CONTEXT_TOKENS: Final = 2_048  # prompt and answer of one request
PLACES: Final = 1  # requests answered at once: the library has one context
PACKAGES: Final = ("gpt4all==2.8.2", "gguf>=0.19,<0.20", "starlette>=1.10,<2", "uvicorn>=0.54,<1")  # the extra gpt4all
_SUFFIXES: Final = (".gguf", ".bin")  # of files that the library takes; it appends the first to any other name
_GRACE_S: Final = 1  # for answers that are being written when it is stopped


@dataclass(frozen=True, slots=True)
class Gpt4allProcess:
    """How it is to be run."""

    port: int
    model: Path
    context_tokens: int = CONTEXT_TOKENS
    threads: int | None = None  # None: see usual_threads

    def command(self) -> list[str]:
        """The command line that starts it. The key is not in it: put it into the environment."""
        line = [sys.executable, "-m", "infra.engines.gpt4all", "--port", str(self.port), "--model", str(self.model)]
        line += ["--context-tokens", str(self.context_tokens)]
        line += ["--threads", str(self.threads)] if self.threads else []
        return line

    @property
    def model_name(self) -> str:
        """The model's name as clients must ask for it."""
        return self.model.stem

    def check(self) -> None:
        """Raises EngineNotStarted when it cannot start: a package or the file is missing. Takes milliseconds."""
        names = [re.split("[=<>]", package)[0] for package in PACKAGES]
        if missing := [name for name in names if importlib.util.find_spec(name) is None]:
            install = f"{sys.executable} -m pip install {' '.join(map(shlex.quote, PACKAGES))}"
            raise EngineNotStarted(f"package {missing[0]!r} is not installed; do: {install}")
        try:
            gguf_file.checked(self.model)
        except GgufUnusable as error:
            raise EngineNotStarted(str(error)) from error
        if self.model.suffix not in _SUFFIXES:
            raise EngineNotStarted(f"model: {self.model}: gpt4all takes files only whose names end in .gguf; rename it")


def serve(process: Gpt4allProcess, api_key: str) -> None:
    """Load the model, answer on HOST:port, return on SIGTERM or SIGINT. Raises EngineNotStarted."""
    process.check()
    with _bound(process.port) as listening:
        _answer_on(listening, _loaded(process), api_key)


def _loaded(process: Gpt4allProcess) -> Gpt4allModel:
    threads = process.threads or usual_threads(cores())
    try:
        return Gpt4allModel(process.model, threads, process.context_tokens)
    except (GgufUnusable, TemplateUnusable) as error:
        raise EngineNotStarted(str(error)) from error
    except ModelNotLoaded as error:
        raise EngineNotStarted(
            f"gpt4all could not load {process.model}: {error}; a model newer than autumn 2024 needs "
            "engine.backend: llama.cpp"
        ) from error


def _answer_on(listening: socket.socket, model: Gpt4allModel, api_key: str) -> None:
    import uvicorn  # not there without the extra: `check` has looked

    from infra.engines.admission import Admission
    from infra.engines.chat_server import ChatServer

    application = ChatServer(model, api_key, Admission(PLACES, PLACES)).application()
    server = uvicorn.Server(
        uvicorn.Config(application, log_level="error", lifespan="off", timeout_graceful_shutdown=_GRACE_S)
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # When uvicorn is done it raises the signal that stopped it once more, for the handlers that it found: these.
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, stop)
    listening.listen()  # who connects from now on is answered as soon as uvicorn runs
    print(f"listening on http://{HOST}:{listening.getsockname()[1]}", flush=True)
    server.run(sockets=[listening])


def _bound(port: int) -> socket.socket:
    """The port, taken before the model is loaded; nobody can connect yet. Raises EngineNotStarted."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no obstacle
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise EngineNotStarted(f"port: {HOST}:{port}: {error.strerror}; choose another or stop who holds it") from error
    return bound


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.engines.gpt4all", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--context-tokens", type=int, default=CONTEXT_TOKENS, help="(default %(default)s)")
    parser.add_argument("--threads", type=int, help="default: all cores but one")
    parser.add_argument("--api-key-file", type=Path, help="instead of PARLEY_ENGINE_API_KEY")
    given = parser.parse_args(arguments)
    try:
        key = key_from(given.api_key_file)
        serve(Gpt4allProcess(given.port, given.model, given.context_tokens, given.threads), key)
    except EngineNotStarted as refused:
        print(f"gpt4all engine: {refused}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the library's thread may still generate: nothing of it is worth waiting for
