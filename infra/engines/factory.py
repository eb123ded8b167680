"""Makes engines by the name of their backend, and the roles out of a description of them.

The only place that knows all backends. Reads no settings and no environment: both are handed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from infra.clock import Clock
from infra.engines.compatible import CompatibleEngine, Endpoint
from infra.engines.contextual import ContextualEngine
from infra.engines.dialects import GPT4ALL, LLAMA_CPP, OPENAI, VLLM, Dialect
from infra.engines.port import Generator, Role
from infra.engines.roles import HOLD_OFF_S, Roles, Seat
from infra.engines.scripted import ScriptedEngine, saying
from schemas.errors import InvalidField

PLACES: Final[Mapping[str, int]] = MappingProxyType(
    {"vllm": 32, "llama.cpp": 4, "openai": 8, "gpt4all": 1, "contextual": 1_000, "scripted": 1_000}
)
"""Requests at once, unless said otherwise: what a vLLM on a CPU still gains from, and llama.cpp's slots."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine, as a configuration describes it."""

    backend: str
    endpoint: Endpoint | None = None  # for vllm, llama.cpp, openai and gpt4all
    places: int | None = None  # requests at once
    says: str = field(default="This is a scripted answer.")  # for scripted


def make_engine(config: EngineConfig, clock: Clock) -> Generator:
    """The engine. Raises InvalidField: no such backend (those that exist are listed), or its address is missing."""
    make = _BACKENDS.get(config.backend)
    if make is None:
        raise InvalidField("engine.backend", config.backend, f"one of {', '.join(_BACKENDS)}")
    return make(config, clock)


def make_roles(
    engines: Mapping[str, EngineConfig],
    roles: Mapping[Role, Sequence[str]],
    clock: Clock,
    hold_off_s: float = HOLD_OFF_S,
) -> Roles:
    """The roles, each with the engines that it lists by name, best first; chat always ends in `contextual`.

    An engine that several roles list is one engine with one limit. Raises InvalidField.
    """
    seats = {name: _seat(config, clock) for name, config in engines.items()}
    last = Seat(ContextualEngine(), PLACES["contextual"])
    listed: dict[Role, list[Seat]] = {}
    for role, names in roles.items():
        for name in names:
            if name not in seats:
                raise InvalidField(f"engine.roles.{role}", name, f"one of {', '.join(sorted(seats)) or 'no engines'}")
        listed[role] = [seats[name] for name in names]
    chat = listed.setdefault("chat", [])
    if not any(seat.engine.backend == "contextual" for seat in chat):
        chat.append(last)
    return Roles(listed, clock, hold_off_s)


def _seat(config: EngineConfig, clock: Clock) -> Seat:
    engine = make_engine(config, clock)
    places = config.places or PLACES[config.backend]
    # vLLM puts background work behind by itself, so all places may hold it.
    return Seat(engine, places, places if config.backend == VLLM.backend else None)


def _compatible(dialect: Dialect) -> Callable[[EngineConfig, Clock], Generator]:
    def make(config: EngineConfig, clock: Clock) -> Generator:
        if config.endpoint is None:
            raise InvalidField(
                "engine.base_url", None, f"an address such as http://127.0.0.1:8000 for {dialect.backend}"
            )
        return CompatibleEngine(config.endpoint, dialect, clock)

    return make


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
