"""Starts the engine that all stages share, where it is Parley's to start, as a child of the supervisor.

The embedded llama.cpp, or vLLM in its own environment, which is made first when it is not there. A vLLM that
scripts/start_vllm has started is used as it is.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from infra.bus import server as ports
from infra.engines.llama_cpp import API_KEY_VARIABLE, HOST, EngineNotStarted, EngineProcess
from infra.engines.vllm import reasons
from infra.engines.vllm import running as vllm_running
from infra.engines.vllm.installed import Environment
from infra.engines.vllm.running import VllmNotStarted
from infra.engines.vllm.server import USUAL_PORT, VllmServer
from infra.processes import die_with_parent
from infra.settings import CONTEXTUAL, SHARED, EngineSettings, Settings, SettingsError, without_login
from pipeline import engines
from pipeline.children import Child, Children, StartFailed, Tell
from pipeline.engines import uses_shared
from schemas.errors import InvalidField, shown

NAMES: Final = ("auto", "llama.cpp", "gpt4all", "vllm", "contextual", "none")  # for --engine
READY_WITHIN_S: Final[Mapping[str, float]] = {"vllm": vllm_running.READY_WITHIN_S}
USUAL_READY_WITHIN_S: Final = 120.0  # loading a model on a busy machine; then the start has failed
_POLL_S: Final = 0.1
LOG: Final = "engine.log"
TOLD_EVERY_S: Final = 15.0
SETUP: Final = "infra.engines.vllm.setup"


def with_engine(settings: Settings, name: str) -> Settings:
    """The settings with this engine instead of the configured one; an address that is configured stays.

    Raises InvalidField for a name that does not exist, SettingsError for an address without a model.
    """
    if name not in NAMES:
        raise InvalidField("--engine", name, f"one of {', '.join(NAMES)}")
    engine = settings.engine
    changes: dict[str, object] = {"backend": CONTEXTUAL if name == "none" else name}
    if name in ("none", CONTEXTUAL):
        changes |= {"base_url": None}
    elif name == "llama.cpp" and engine.backend in ("openai", "vllm"):
        changes |= dict.fromkeys(("base_url", "model", "api_key", "api_key_file"))  # they are the other engine's
    elif name == "vllm" and engine.base_url and not engine.model:
        raise SettingsError("engine.model: None is not allowed; expected its name at engine.base_url")
    asked = (
        {"default_model": CONTEXTUAL, "roles": {}} if changes["backend"] == CONTEXTUAL else {"default_model": SHARED}
    )
    return settings.model_copy(update={"engine": engine.model_copy(update=changes), **asked})


async def started(settings: Settings, children: Children, tell: Tell, beside: Path | None = None) -> EngineSettings:
    """Start the engine where it is wanted; how the workers reach it. `beside`: the data folder whose vLLM may be used.

    Raises StartFailed, SettingsError, InvalidField.
    """
    engine = settings.engine
    if not uses_shared(settings):
        tell("engine     none is started: no role uses the shared one")
        return engine.model_copy(update={"backend": CONTEXTUAL, "base_url": None})
    if engine.base_url is None and engine.backend == "vllm":
        return await _vllm(settings, children, tell, beside)
    if engine.base_url is None and engine.backend in ("auto", "llama.cpp"):
        return await _llama_cpp(settings, children)
    if engine.base_url is None and engine.backend == "gpt4all":
        return await _gpt4all(settings, children)
    where = without_login(engine.base_url or "") or "minimal mode: no model, replies come from rules"
    tell(f"engine     {engine.backend} ({where})")
    return engine


async def until_it_answers(settings: Settings, engine: EngineSettings, children: Children, tell: Tell) -> None:
    """Wait for the engine that was started; one at a configured address is only asked whether it answers.

    Raises StartFailed when it does not within READY_WITHIN_S, or cannot start.
    """
    loop = asyncio.get_running_loop()
    reached = settings.model_copy(update={"engine": engine})
    within_s = READY_WITHIN_S.get(engine.backend, USUAL_READY_WITHIN_S)
    until, progress = loop.time() + within_s, Progress(engine, settings.data_dir / "logs", tell)
    while not (health := await engines.engine_health(reached)).ok:
        if engine.base_url == settings.engine.base_url:
            tell(f"engine     does not answer ({health.reason}); replies come from rules until it does")
            return
        if loop.time() > until:
            raise StartFailed(f"the engine is not ready within {within_s:.0f} s: {health.reason}")
        children.refuse_hopeless(set())
        progress.tell()
        await asyncio.sleep(_POLL_S)
    if engine.base_url is not None:
        tell(f"engine     {engine.backend} with {engine.model} answers at {without_login(engine.base_url)}")


@asynccontextmanager
async def running(settings: Settings, tell: Tell, beside: Path) -> AsyncIterator[Settings]:
    """The settings with an engine that answers, started for this block where none is; `beside`: see `started`.

    Raises StartFailed, SettingsError, InvalidField.
    """
    children = Children(tell)
    try:
        engine = await started(settings, children, tell, beside)
        await until_it_answers(settings, engine, children, tell)
        children.up = True
        yield settings.model_copy(update={"engine": engine})
    finally:
        await children.stop(last=("engine",))


async def _llama_cpp(settings: Settings, children: Children) -> EngineSettings:
    engine = settings.engine
    port, key = ports.free_port(), secrets.token_urlsafe(24)
    model = Path(engine.model) if engine.model else None
    if model is not None and not model.is_file():
        raise SettingsError(f"engine.model: {shown(engine.model)} is not allowed; expected a GGUF file that exists")
    embedded = EngineProcess(port=port, model=model, threads=engine.threads)
    child = Child("engine", embedded.command(), settings.data_dir / "logs" / LOG, {API_KEY_VARIABLE: key})
    await child.start()
    children.watch(child)
    return _reached(engine, "llama.cpp", f"http://{HOST}:{port}", embedded.model_name, key)


async def _gpt4all(settings: Settings, children: Children) -> EngineSettings:
    from infra.engines.gpt4all import Gpt4allProcess  # needs an optional package

    engine = settings.engine
    port, key = ports.free_port(), secrets.token_urlsafe(24)
    process = Gpt4allProcess(port=port, model=Path(engine.model or ""), threads=engine.threads)
    try:
        process.check()
    except EngineNotStarted as error:
        raise SettingsError(f"engine: {error}") from error
    child = Child("engine", process.command(), settings.data_dir / "logs" / LOG, {API_KEY_VARIABLE: key})
    await child.start()
    children.watch(child)
    return _reached(engine, "gpt4all", f"http://{HOST}:{port}", process.model_name, key)


async def _vllm(settings: Settings, children: Children, tell: Tell, beside: Path | None) -> EngineSettings:
    data_dir = beside or settings.data_dir
    if (there := vllm_running.generating(data_dir, settings.vllm.port or USUAL_PORT)) is not None:
        tell(f"engine     vLLM runs already with {there.model} (process {there.pid}), it is used")
        try:
            await vllm_running.until_healthy(there, lambda _: None)
        except VllmNotStarted as failed:
            raise StartFailed(str(failed)) from failed
        return _reached(settings.engine, "vllm", there.base_url, there.model, there.key)
    environment = Environment()
    await _set_up(environment, tell)
    server = server_of(settings, environment, settings.vllm.port or ports.free_port()).checked()
    vllm_running.port_is_free(server.port)
    key, log = secrets.token_urlsafe(24), settings.data_dir.resolve() / "logs" / LOG
    folder = vllm_running.folder_of(data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    child = Child(
        "engine",
        vllm_running.command_of(server, folder / "group-of-parley", log, os.getpid()),
        log,
        vllm_running.guardian_variables(server.variables(key)),
        inherits=False,
        parent_death_signal=signal.SIGTERM,
    )
    await child.start()
    children.watch(child)
    tell(f"engine     vLLM is being started with {server.model_name}; this takes a minute or more")
    return _reached(settings.engine, "vllm", server.base_url, server.model_name, key)


def server_of(settings: Settings, environment: Environment, port: int | None = None) -> VllmServer:
    """The vLLM server that the settings describe. Its environment must have been made."""
    stamp, vllm = environment.found(), settings.vllm
    return VllmServer(
        environment=environment,
        port=port or vllm.port or USUAL_PORT,
        on_cpu=stamp is None or stamp.variant == "cpu",
        model=vllm.model or (None if settings.engine.base_url else settings.engine.model),
        max_model_len=vllm.max_model_len,
        gpu_memory_utilization=vllm.gpu_memory_utilization,
        tensor_parallel_size=vllm.tensor_parallel_size,
        lora=vllm.lora,
        quantization=vllm.quantization,
        dtype=vllm.dtype,
        enforce_eager=vllm.enforce_eager,
        extra=vllm.extra_args,
        hf_token=settings.hf_token.get_secret_value() if settings.hf_token else None,
    )


async def _set_up(environment: Environment, tell: Tell) -> None:
    """Make vLLM's environment when it is not there, in a process of its own, so that it can be stopped."""
    if environment.found() is not None:
        return
    tell("engine     vLLM is installed first, once; this takes some minutes")
    setup = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", SETUP),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    assert setup.stderr is not None  # it is a pipe
    last = "it said nothing"
    try:
        async for line in setup.stderr:
            last = line.decode(errors="replace").strip() or last
            tell(f"engine     {last}")
        status = await setup.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(setup.pid, signal.SIGKILL)  # pip with it
    if status != 0:
        raise StartFailed(f"vLLM cannot be installed: {last.removeprefix('setup_vllm: ')}")


def _reached(engine: EngineSettings, backend: str, base_url: str, model: str, key: str) -> EngineSettings:
    reached = {"backend": backend, "base_url": base_url, "model": model, "api_key": SecretStr(key)}
    return engine.model_copy(update=reached)


class Progress:
    """Says what vLLM is doing while it is waited for: at each new step, and now and then."""

    def __init__(self, engine: EngineSettings, logs: Path, tell: Tell) -> None:
        self._log = logs / LOG if engine.backend == "vllm" else None
        self._tell = tell
        self._began = self._told_at = time.monotonic()
        self._told = ""

    def tell(self) -> None:
        """Look into the log, and tell when there is something new."""
        if self._log is None:
            return
        now = time.monotonic()
        step = reasons.how_far(reasons.text_of(self._log))
        if step != self._told or now - self._told_at > TOLD_EVERY_S:
            self._told, self._told_at = step, now
            self._tell(f"engine     vLLM: {step} ({now - self._began:.0f} s)")
