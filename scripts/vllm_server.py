"""`scripts/start_vllm` and `scripts/stop_vllm`: a vLLM server beside Parley, which `parley up --engine vllm` uses.

Flags win over the section `vllm` of config.yaml. Exit 0 when it serves (or was stopped), 1 when it does not, with the
reason, 2 for settings that cannot be.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from infra import settings as configuration
from infra.engines.vllm import running
from infra.engines.vllm.installed import Environment
from infra.engines.vllm.running import Running, VllmNotStarted
from infra.engines.vllm.server import USUAL_PORT, VllmServer
from infra.packages import say
from infra.settings import SettingsError
from pipeline.engine_start import server_of
from schemas.errors import InvalidField

_LOOK_EVERY_S: Final = 0.2
_SHOWN_CHARS: Final = 100


def start(arguments: Sequence[str]) -> int:
    """`scripts/start_vllm`."""
    given = _parsed(arguments)
    settings = configuration.load()
    environment = Environment()
    if environment.found() is None:
        raise VllmNotStarted(".venv-vllm is not there or not whole; run scripts/setup_vllm")
    server = _changed(server_of(settings, environment), given)
    place = running.place_of(settings.data_dir, server.port)
    started = running.start(server, place, with_this_process=given.foreground)
    say(f"starting vLLM with {started.model} on {started.base_url} (log: {started.log})\n")
    line = _Line(sys.stderr.isatty())
    try:
        asyncio.run(running.until_healthy(started, line.show, within_s=given.within))
    except (VllmNotStarted, KeyboardInterrupt) as failed:
        line.end()
        running.stop(place)
        raise VllmNotStarted(str(failed) or "stopped before it was ready") from failed
    line.end()
    print(
        f"vLLM serves {started.model} at {started.base_url}/v1 (process {started.pid}); its key: {started.key_file}\n"
        f"{_use(started)}; scripts/stop_vllm --port {server.port} stops it"
    )
    return _followed(started, place) if given.foreground else 0


def stop(arguments: Sequence[str]) -> int:
    """`scripts/stop_vllm`."""
    parser = argparse.ArgumentParser(prog="scripts/stop_vllm", description="Stops what scripts/start_vllm has started.")
    parser.add_argument("--port", type=int, help="only the server at this port (default: all)")
    port = parser.parse_args(arguments).port
    data_dir = configuration.load().data_dir
    stopped = 0
    for place in running.places(data_dir) if port is None else [running.place_of(data_dir, port)]:
        began = time.monotonic()
        if (server := running.stop(place)) is not None:
            took_s = time.monotonic() - began
            print(f"stopped vLLM with {server.model} at {server.base_url} (process {server.pid}) after {took_s:.1f} s")
            stopped += 1
    if not stopped:
        which = "" if port is None else f" at port {port}"
        print(f"no vLLM that scripts/start_vllm has started runs on {data_dir.resolve()}{which}")
    return 0


def _use(server: Running) -> str:
    """What to do with it."""
    as_model = f'base_url: "{server.base_url}", model: {server.model}, api_key_file: {server.key_file}'
    if server.pooling:
        return (
            f"use it in config.yaml as `models: {{NAME: {{backend: vllm, port: score, {as_model}}}}}` (or port: embed)"
        )
    return f"use it with `parley up --engine vllm`, or as `models: {{NAME: {{backend: vllm, {as_model}}}}}`"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/start_vllm",
        description="Starts a vLLM server on this machine and waits until it answers.",
        epilog="What follows `--` is handed through to vLLM, e.g. scripts/start_vllm -- --max-num-seqs 64",
    )
    parser.add_argument("--model", help="a folder or a hub name (default: vllm.model, or the bundled SmolLM2)")
    parser.add_argument("--port", type=int, help=f"on 127.0.0.1 (default: vllm.port or {USUAL_PORT})")
    parser.add_argument("--max-model-len", type=int, help="tokens of prompt and answer (default: the model's own)")
    parser.add_argument("--gpu-memory-utilization", type=float, help="share of the GPU's memory, 0 to 1")
    parser.add_argument("--tensor-parallel-size", type=int, help="GPUs that share the model")
    parser.add_argument("--lora", action="append", metavar="NAME=DIR", help="an adapter; may be given several times")
    parser.add_argument("--quantization", help="e.g. awq, gptq, fp8 (default: as the model says)")
    parser.add_argument("--dtype", help="auto, float16, bfloat16 or float32")
    parser.add_argument(
        "--enforce-eager",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="no compilation: starts sooner, answers a little slower (default: on a CPU)",
    )
    parser.add_argument("--runner", choices=("generate", "pooling"), default="generate", help="pooling: embed, rank")
    parser.add_argument("--foreground", action="store_true", help="stay in the terminal; Ctrl-C stops it")
    parser.add_argument("--within", type=float, default=running.READY_WITHIN_S, help="seconds to wait (%(default).0f)")
    own, extra = _split(arguments)
    given = parser.parse_args(own)
    given.extra = tuple(extra)
    return given


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What is before the first `--`, and what is behind it."""
    if "--" not in arguments:
        return arguments, ()
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _changed(server: VllmServer, given: argparse.Namespace) -> VllmServer:
    """The server of the settings with what the flags say. Raises SettingsError."""
    names = ("model", "port", "max_model_len", "gpu_memory_utilization", "tensor_parallel_size", "quantization")
    changes = {name: getattr(given, name) for name in (*names, "dtype", "enforce_eager")}
    changes = {name: value for name, value in changes.items() if value is not None}
    checked = configuration.checked_vllm({**changes, **({"lora": _lora(given.lora)} if given.lora else {})})
    return replace(
        server,
        **{name: getattr(checked, name) for name in changes},
        lora={**server.lora, **checked.lora},
        pooling=given.runner == "pooling",
        extra=(*server.extra, *given.extra),
    )


def _lora(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not (name and equals and folder):
            raise InvalidField("--lora", each, "NAME=DIR, e.g. french=adapters/french")
        found[name] = Path(folder).expanduser()
    return found


def _followed(started: Running, place: Path) -> int:
    """Show the log until vLLM ends or the person ends it."""

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        with started.log.open(errors="replace") as log:
            log.seek(0, os.SEEK_END)
            while not running.has_ended(started.pid):
                sys.stdout.write(log.read())
                sys.stdout.flush()
                time.sleep(_LOOK_EVERY_S)
            sys.stdout.write(log.read())
        raise VllmNotStarted(running.last_line(started.log))
    except KeyboardInterrupt:
        return 0
    finally:
        running.stop(place)


class _Line:
    """One line of progress that is written over on a terminal; elsewhere a line for each new step."""

    def __init__(self, on_terminal: bool) -> None:
        self._on_terminal = on_terminal
        self._step = ""

    def show(self, text: str) -> None:
        step = text.partition(" (")[0]
        if self._on_terminal:
            say(f"\r{text[:_SHOWN_CHARS]:<{_SHOWN_CHARS}}")
        elif step != self._step:
            say(f"{text}\n")
        self._step = step

    def end(self) -> None:
        if self._on_terminal and self._step:
            say("\n")


def main(name: str, command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run one of the two; what is expected to go wrong becomes a line."""
    try:
        return command(arguments)
    except VllmNotStarted as failed:
        print(f"{name}: {failed}", file=sys.stderr)
        return 1
    except (SettingsError, InvalidField) as refused:
        print(f"{name}: {refused}", file=sys.stderr)
        return 2
    except OSError as failed:
        print(f"{name}: data_dir: {failed.filename}: {failed.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 1


if __name__ == "__main__":
    which = {"start": start, "stop": stop}[sys.argv[1]]
    sys.exit(main(f"{sys.argv[1]}_vllm", which, sys.argv[2:]))
