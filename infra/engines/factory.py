"""Makes engines by the name of their backend, and the roles out of a description of them.

The only place that knows all backends. Reads no settings and no environment: both are handed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from infra.clock import Clock
from infra.embeddings import Embedder
from infra.engines.breakers import HOLD_OFF_S
from infra.engines.compatible import CompatibleEngine
from infra.engines.contextual import ContextualEngine
from infra.engines.dialects import GPT4ALL, LLAMA_CPP, OPENAI, VLLM, Dialect
from infra.engines.http import Endpoint
from infra.engines.pooling import ByEmbedding, LocalEmbeddings, PoolingServer
from infra.engines.port import EmbeddingEngine, Generator, Role, ScoringEngine
from infra.engines.ranking import Ranker
from infra.engines.recalling import RecallingEngine
from infra.engines.roles import Roles
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.seats import OwnSampling, Seat
from schemas.errors import InvalidField

PLACES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "vllm": 32,
        "llama.cpp": 4,
        "openai": 8,
        "gpt4all": 1,
        "contextual": 1_000,
        "scripted": 1_000,
        "minilm": 2,
        "wordllama": 2,
    }
)
"""Requests at once, unless said otherwise: what a vLLM on a CPU still gains from, and llama.cpp's slots."""
_UNLIMITED: Final = 1_000


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine, as a configuration describes it."""

    backend: str
    endpoint: Endpoint | None = None  # for vllm, llama.cpp, openai and gpt4all
    places: int | None = None  # requests at once
    says: str = field(default="This is a scripted answer.")  # for scripted
    sampling: OwnSampling = field(default_factory=OwnSampling)
    port: Literal["generate", "embed", "score"] = "generate"


def make_engine(config: EngineConfig, clock: Clock) -> Generator:
    """The engine. Raises InvalidField: no such backend (those that exist are listed), or its address is missing."""
    make = _BACKENDS.get(config.backend)
    if make is None:
        raise InvalidField("engine.backend", config.backend, f"one of {', '.join(_BACKENDS)}")
    return make(config, clock)


def make_embedding_engine(config: EngineConfig, clock: Clock) -> EmbeddingEngine:
    """The engine behind the port `embed`. Raises InvalidField: no such backend, or its address is missing."""
    return _pooling(config, clock)


def make_scoring_engine(config: EngineConfig, clock: Clock) -> ScoringEngine:
    """The engine behind the port `score`; one that can only embed scores by the cosine. Raises InvalidField."""
    made = _pooling(config, clock)
    return ByEmbedding(made) if config.port == "embed" else made


def make_roles(
    engines: Mapping[str, EngineConfig],
    roles: Mapping[Role, Sequence[str]],
    clock: Clock,
    hold_off_s: float = HOLD_OFF_S,
) -> Roles:
    """The roles, each with the engines that it lists by name, best first.

    Chat always ends in answers that were given before (`recalled`) and then in `contextual`. An engine that several
    roles list is one engine with one limit. Raises InvalidField.
    """
    used = {name for names in roles.values() for name in names}
    seats = {name: _seat(config, clock) for name, config in engines.items() if name in used}
    listed: dict[Role, list[Seat[Generator]]] = {}
    for role, names in roles.items():
        for name in names:
            if name not in seats:
                raise InvalidField(f"engine.roles.{role}", name, f"one of {', '.join(sorted(engines)) or 'no engines'}")
        listed[role] = [seats[name] for name in names]
    chat = listed.setdefault("chat", [])
    recalled = RecallingEngine(clock)
    if chat and not any(seat.engine.backend == "contextual" for seat in chat):
        chat.append(Seat(recalled, PLACES["contextual"]))
    if not any(seat.engine.backend == "contextual" for seat in chat):
        chat.append(Seat(ContextualEngine(), PLACES["contextual"]))
    return Roles(listed, clock, hold_off_s, recalled)


def make_ranker(
    engines: Mapping[str, EngineConfig],
    names: Sequence[str],
    clock: Clock,
    hold_off_s: float = HOLD_OFF_S,
    judges: Mapping[str, ScoringEngine] = MappingProxyType({}),
) -> Ranker | None:
    """Who scores for the role `rank`, best first; None when nobody is listed. `judges`: those that generate, which
    have limits of their own. Raises InvalidField.
    """
    for name in names:
        if name not in engines:
            raise InvalidField("engine.roles.rank", name, f"one of {', '.join(sorted(engines)) or 'no engines'}")
    seats = [
        Seat(judges[name], _UNLIMITED)
        if name in judges
        else Seat(make_scoring_engine(engines[name], clock), engines[name].places or PLACES[engines[name].backend])
        for name in names
    ]
    return Ranker(seats, clock, hold_off_s) if seats else None


def _seat(config: EngineConfig, clock: Clock) -> Seat[Generator]:
    engine = make_engine(config, clock)
    places = config.places or PLACES[config.backend]
    # vLLM puts background work behind by itself, so most places may hold it; those left keep the way to vLLM open.
    background = max(1, places * 3 // 4) if config.backend == VLLM.backend else None
    return Seat(engine, places, background, config.sampling)


def _pooling(config: EngineConfig, clock: Clock) -> PoolingServer | LocalEmbeddings:
    if config.backend in _LOCAL:
        return LocalEmbeddings(config.backend, _LOCAL[config.backend]())
    if config.backend not in _POOLING:
        raise InvalidField("models.backend", config.backend, f"one of {', '.join([*_POOLING, *_LOCAL])}")
    if config.endpoint is None:
        raise InvalidField("models.base_url", None, f"an address such as http://127.0.0.1:8001 for {config.backend}")
    return PoolingServer(config.endpoint, config.backend, clock)


def _minilm() -> Embedder:
    from infra.embeddings import MiniLm  # loads a model: only for whoever uses it

    return MiniLm()


def _wordllama() -> Embedder:
    from infra.embeddings import WordLlamaStatic

    return WordLlamaStatic()


def _compatible(dialect: Dialect) -> Callable[[EngineConfig, Clock], Generator]:
    def make(config: EngineConfig, clock: Clock) -> Generator:
        if config.endpoint is None:
            raise InvalidField(
                "engine.base_url", None, f"an address such as http://127.0.0.1:8000 for {dialect.backend}"
            )
        return CompatibleEngine(config.endpoint, dialect, clock)

    return make


_POOLING: Final = ("vllm", "llama.cpp", "openai")
_LOCAL: Final[Mapping[str, Callable[[], Embedder]]] = MappingProxyType({"minilm": _minilm, "wordllama": _wordllama})
_BACKENDS: Final[Mapping[str, Callable[[EngineConfig, Clock], Generator]]] = MappingProxyType(
    {
        VLLM.backend: _compatible(VLLM),
        LLAMA_CPP.backend: _compatible(LLAMA_CPP),
        OPENAI.backend: _compatible(OPENAI),
        GPT4ALL.backend: _compatible(GPT4ALL),
        "contextual": lambda _config, _clock: ContextualEngine(),
        "scripted": lambda config, _clock: ScriptedEngine(saying(config.says)),
    }
)
