"""Which engines are measured: any OpenAI-compatible servers that are named, and the embedded llama.cpp.

    --base-url http://127.0.0.1:8000 --model qwen --key-file key.txt --name vLLM

may be given as often as there are servers to stand side by side; `--model`, `--key-file` and `--name` belong to the
`--base-url` before them. Without any the embedded engine is started, and with `--embedded` it stands beside them.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from infra.engines.factory import EngineConfig
from infra.engines.http import Endpoint
from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess

EMBEDDED: Final = "llama.cpp"
_DIALECTS: Final = {"vllm": "vllm", "llamacpp": "llama.cpp"}  # what `owned_by` of /v1/models says
_PATIENCE_S: Final = 600.0  # a request may stand behind all others of its round
_LOOK_S: Final = 10.0


class BackendRefused(Exception):
    """A server that cannot be measured; one line that says why."""


@dataclass(frozen=True, slots=True)
class Named:
    """A server as it was named on the command line."""

    base_url: str
    model: str | None = None
    key_file: Path | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A server that can be asked. `ready_s` and `pid` are known of the embedded one."""

    name: str
    endpoint: Endpoint
    dialect: str
    ready_s: float | None = None
    pid: int | None = None

    @property
    def config(self) -> EngineConfig:
        return EngineConfig(self.dialect, self.endpoint)


class _OfServer(argparse.Action):
    """Begins a server, or adds to the one begun last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        servers: list[Named] = list(namespace.servers)
        if self.dest == "base_url":
            servers.append(Named(values))
        elif not servers:
            parser.error(f"{option_string} belongs behind a --base-url")
        else:
            servers[-1] = replace(servers[-1], **{self.dest: values})
        namespace.servers = servers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name servers; they are found in `servers`, `embedded` and `threads`."""
    parser.set_defaults(servers=[])
    group = parser.add_argument_group("who is asked (repeat for several; default: the embedded engine)")
    group.add_argument("--base-url", action=_OfServer, metavar="URL", help="an OpenAI-compatible server")
    group.add_argument("--model", action=_OfServer, help="its name there (default: the first that it lists)")
    group.add_argument("--key-file", action=_OfServer, type=Path, help="a file with its API key")
    group.add_argument("--name", action=_OfServer, help="how tables call it (default: what is behind it)")
    group.add_argument("--embedded", action="store_true", help="the embedded llama.cpp beside them")
    group.add_argument("--threads", type=int, help="of the embedded engine (default: all cores but one)")


@asynccontextmanager
async def opened(given: argparse.Namespace) -> AsyncIterator[list[Backend]]:
    """All that were named, looked at; the embedded one is started, and ends with this. Raises BackendRefused."""
    async with AsyncExitStack() as held:
        found = [await looked_at(server) for server in given.servers]
        if given.embedded or not found:
            found.append(await held.enter_async_context(embedded(given.threads)))
        names = [backend.name for backend in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BackendRefused(f"--name: {twice[0]!r} is there twice; give each server a name of its own")
        yield found


async def looked_at(server: Named) -> Backend:
    """What is behind an address. Raises BackendRefused."""
    url = server.base_url.rstrip("/").removesuffix("/v1")
    try:
        key = server.key_file.read_text().strip() if server.key_file else None
    except OSError as error:
        raise BackendRefused(f"--key-file: {server.key_file}: {error.strerror}") from error
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=_LOOK_S) as http:
            response = await http.get(f"{url}/v1/models")
            response.raise_for_status()
            listed = {str(each["id"]): str(each.get("owned_by", "")) for each in response.json()["data"]}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise BackendRefused(f"--base-url: {url}/v1/models: {type(error).__name__} {error}".split("\n")[0]) from error
    model = server.model or next(iter(listed), None)
    if model is None or model not in listed:
        raise BackendRefused(f"--model: {model!r} is not there; {url} has {', '.join(listed) or 'none'}")
    dialect = _DIALECTS.get(listed[model], "openai")
    return Backend(server.name or dialect, _patient(url, model, key), dialect)


@asynccontextmanager
async def embedded(threads: int | None = None) -> AsyncIterator[Backend]:
    """The embedded engine as Parley starts it, on a free port."""
    key = secrets.token_urlsafe()
    begun = time.perf_counter()
    engine = EngineProcess(0, threads=threads)
    process = await asyncio.create_subprocess_exec(
        *engine.command(), env={**os.environ, API_KEY_VARIABLE: key}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise BackendRefused("the embedded engine did not start; it has said why")
        endpoint = _patient(line.removeprefix("listening on "), engine.model_name, key)
        yield Backend(EMBEDDED, endpoint, "llama.cpp", time.perf_counter() - begun, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def memory_mb(pid: int) -> float:
    """What a process holds, 10^6 bytes. Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def load() -> str:
    """What else the machine does, for beside the figures."""
    return f"load {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores"


def _patient(url: str, model: str, key: str | None) -> Endpoint:
    return Endpoint(url, model, key, first_token_timeout_s=_PATIENCE_S, stall_timeout_s=_PATIENCE_S)


def told(backends: Sequence[Backend]) -> str:
    """Who is measured, one a line."""
    return "\n".join(
        f"{backend.name}: {backend.endpoint.model} behind {backend.dialect} at {backend.endpoint.base_url}"
        for backend in backends
    )
