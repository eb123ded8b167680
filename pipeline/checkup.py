"""What `parley doctor` looks at: versions, weights, ports, room, and what to do where something is missing."""

import asyncio
import importlib.metadata
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from infra import instance, weights
from infra.bus import server
from infra.bus.server import BusServerFailed
from infra.gateway_settings import USUAL_PORT, web_address, who_may
from infra.ports import why_taken
from infra.settings import Settings, without_login
from infra.weights import Bundled, WeightsMissing

NEEDED: Final = (
    *("faststream", "nats-py", "pydantic", "duckdb", "faster-whisper", "moonshine-voice", "hibari-tts"),
    *("pyttsx3", "espeakng-loader", "wordllama", "xllamacpp", "onnxruntime", "opentelemetry-sdk"),
    *("fastapi", "uvicorn", "websockets", "pyjwt"),
)
ROOM_NEEDED_GB: Final = 2.0
_USUAL_PORTS: Final = {"http": 80, "https": 443, "nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
INSTALL: Final = "run scripts/demo (or scripts/test), which installs what is missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    to_do: str = ""


async def all_findings(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed."""
    return await asyncio.to_thread(_all_findings, settings)


def _all_findings(settings: Settings) -> list[Finding]:
    return [
        _python(),
        *(_package(name) for name in NEEDED),
        _nats_server(),
        *_models(),
        _vllm(),
        *_ports(settings),
        _gateway(settings),
        *_gpt4all(settings),
        _room(settings.data_dir),
        _running(settings),
    ]


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, platform.python_version(), "" if ok else "install Python 3.11 or newer")


def _package(name: str) -> Finding:
    try:
        return Finding(f"package {name}", True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"package {name}", False, "not installed", INSTALL)


def _nats_server() -> Finding:
    try:
        return Finding("nats-server", True, str(server.binary()))
    except BusServerFailed as error:
        return Finding("nats-server", False, "not found", str(error))


def _models() -> list[Finding]:
    """Each bundled model, where it lies, its SHA-256 checked."""
    from infra import embeddings
    from infra.engines.llama_cpp import SMOLLM2
    from infra.listening import end_of_turn, voice_activity
    from infra.recognisers import moonshine, whisper
    from infra.voices import hibari

    return [
        _weights("recogniser whisper tiny.en", whisper.BUNDLED),
        _weights("recogniser moonshine, encoder", moonshine.ENCODER),
        _weights("recogniser moonshine, decoder", moonshine.DECODER),
        _weights("listening, voice activity (silero)", voice_activity.SILERO),
        _weights("listening, end of turn (smart-turn)", end_of_turn.SMART_TURN),
        _weights("embeddings all-MiniLM-L6-v2", embeddings.MINILM_MODEL),
        _weights("embeddings tokenizer", embeddings.MINILM_TOKENIZER),
        _weights("engine smollm2-135m-instruct", SMOLLM2),
        _weights("voice hibari", hibari.BUNDLED),
        _probe("voice pyttsx3", _espeak),
    ]


def _vllm() -> Finding:
    """vLLM is nobody's need, so its absence is in order."""
    from infra.engines.vllm.installed import Environment

    stamp = Environment().found()
    if stamp is None:
        return Finding("engine vllm", True, "not installed; scripts/setup_vllm installs it")
    return Finding("engine vllm", True, ", ".join(f"{name} {version}" for name, version in stamp.versions.items()))


def _weights(what: str, bundled: Bundled) -> Finding:
    try:
        return Finding(what, True, str(weights.path_of(bundled)))
    except WeightsMissing as error:
        return Finding(what, False, "missing or changed", str(error))


def _probe(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (ImportError, OSError, WeightsMissing) as error:
        return Finding(what, False, f"{type(error).__name__}: {error}", INSTALL)


def _espeak() -> str:
    import espeakng_loader

    return str(espeakng_loader.get_library_path())


def _ports(settings: Settings) -> list[Finding]:
    """Addresses that the configuration names: does anybody listen there?"""
    found = []
    for what, url in (("bus.url", settings.bus.url), ("engine.base_url", settings.engine.base_url)):
        if url is None:
            found.append(Finding(what, True, "not set: started by `parley up` on a free port of 127.0.0.1"))
            continue
        address = without_login(url)
        try:
            parts = urlsplit(url)
            port = parts.port or _USUAL_PORTS.get(parts.scheme, 0)
            with socket.create_connection((parts.hostname or "", port), timeout=2):
                found.append(Finding(what, True, f"{address}: somebody listens"))
        except (OSError, ValueError) as error:
            found.append(Finding(what, False, f"{address}: {error}", "start that server, or leave the key out"))
    return found


def _gateway(settings: Settings) -> Finding:
    """Whether the gateway can listen where it is told to, unless it does so already."""
    gateway = settings.gateway
    if not gateway.enabled:
        return Finding("gateway", True, "switched off (gateway.enabled)")
    taken = why_taken(gateway.host, gateway.port or USUAL_PORT)
    where = web_address(gateway.host, gateway.port or USUAL_PORT)
    if taken is None or instance.find(settings.data_dir) is not None:
        return Finding("gateway", True, f"{where}; {who_may(gateway, settings.user)}")
    if gateway.port:
        return Finding("gateway", False, f"{where}: {taken}", "free that port, or set gateway.port")
    return Finding("gateway", True, f"{where}: {taken}; `parley up` takes another port and says which")


def _gpt4all(settings: Settings) -> list[Finding]:
    """Whether the backend gpt4all can start; nothing where another is configured."""
    from infra.engines.gpt4all import Gpt4allProcess
    from infra.engines.llama_cpp import EngineNotStarted

    engine = settings.engine
    if engine.backend != "gpt4all" or engine.base_url is not None:
        return []
    try:
        Gpt4allProcess(port=0, model=Path(engine.model or "")).check()
    except EngineNotStarted as error:
        return [Finding("engine gpt4all", False, "cannot start", str(error))]
    return [Finding("engine gpt4all", True, str(engine.model))]


def _room(data_dir: Path) -> Finding:
    there = next(path for path in (data_dir.resolve(), *data_dir.resolve().parents) if path.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    ok = free_gb >= ROOM_NEEDED_GB
    return Finding("room on disk", ok, f"{free_gb:.1f} GB free at {there}", "" if ok else f"free {ROOM_NEEDED_GB} GB")


def _running(settings: Settings) -> Finding:
    running = instance.find(settings.data_dir)
    if running is None:
        return Finding("parley", True, f"none runs on {settings.data_dir}", "parley up")
    return Finding("parley", True, f"runs as process {running.pid}, its bus at {running.bus_url}")
