"""The engines as a person or a front-end sees them: what each is, whether it answers, what it has to do.

Three sources: the servers themselves, the workers that ask them (over the bus), and the event log for how often a reply
came from another than the first choice. Where one does not tell, the others still do.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, get_args

from infra.clock import SystemClock
from infra.engines.factory import EngineConfig, make_engine, make_scoring_engine
from infra.engines.load import EngineLoad, load_of
from infra.engines.port import Engine, EngineHealth, Role
from infra.settings import SHARED, Settings, without_login
from pipeline.engines import engine_configs, uses_shared
from schemas.errors import InvalidField

FALLBACKS_SQL: Final = """
    SELECT count(*) AS replies, count(*) FILTER (WHERE fallback) AS fallbacks
    FROM engines WHERE time > now() - INTERVAL 1 HOUR AND tenant = $tenant AND run = 'live' AND backend <> 'fixed'
"""


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """One engine at one moment."""

    name: str
    backend: str
    model: str
    address: str  # without user or key; empty where it runs in the worker itself
    port: str
    roles: tuple[str, ...]  # that list it, best first in each
    ok: bool
    reason: str = ""
    served: tuple[str, ...] = ()  # the models that its server names
    load: EngineLoad = field(default_factory=EngineLoad)
    tokens_per_s: float | None = None  # generated, between two looks
    in_flight: int = 0  # requests of Parley's own workers
    queued: int = 0  # of them, waiting for a place


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at all engines, and when (seconds of a monotonic clock)."""

    engines: tuple[EngineSeen, ...]
    at_s: float


async def look(
    settings: Settings, before: Looked | None = None, asked_for: Mapping[str, tuple[int, int]] | None = None
) -> Looked:
    """Look at all engines at once. `before` gives speeds, `asked_for` what workers have in flight and queued."""
    configs = engine_configs(settings)
    at_s = time.monotonic()
    seen = await asyncio.gather(*(_seen(name, config, settings) for name, config in configs.items()))
    listed = [with_own(engine, before, at_s, asked_for or {}) for engine in seen]
    if SHARED not in configs and uses_shared(settings):
        listed.insert(0, _none(settings))
    return Looked(tuple(listed), at_s)


async def _seen(name: str, config: EngineConfig, settings: Settings) -> EngineSeen:
    roles = tuple(role for role in get_args(Role) if name in settings.engines_of(role))
    model = config.endpoint.model if config.endpoint else config.backend
    seen = EngineSeen(name, config.backend, model, _address(config), config.port, roles, ok=False)
    try:
        health = await _health(config)
    except InvalidField as error:
        return replace(seen, reason=str(error))
    load = await load_of(config.endpoint) if config.endpoint is not None and health.ok else EngineLoad()
    served = tuple(str(model) for model in health.detail.get("models", ()))
    reason = health.reason
    if health.ok and served and model not in served:
        reason = f"it serves {', '.join(served)}, not {model}: set its model"
    return replace(seen, ok=health.ok and not reason, reason=reason, served=served, load=load)


async def _health(config: EngineConfig) -> EngineHealth:
    if config.endpoint is None:
        return EngineHealth(ok=True)  # it runs in the worker that uses it
    clock = SystemClock()
    engine: Engine = make_engine(config, clock) if config.port == "generate" else make_scoring_engine(config, clock)
    try:
        return await engine.health()
    finally:
        await engine.aclose()


def with_own(
    engine: EngineSeen, before: Looked | None, at_s: float, asked_for: Mapping[str, tuple[int, int]]
) -> EngineSeen:
    """The engine with its speed since the look before, and what workers have in flight and queued there."""
    earlier = next((each for each in before.engines if each.name == engine.name), None) if before else None
    speed = None
    if before is not None and earlier is not None:
        now, then = engine.load.generated_tokens, earlier.load.generated_tokens
        if now is not None and then is not None and at_s > before.at_s:
            speed = max(0.0, (now - then) / (at_s - before.at_s))
    in_flight, queued = asked_for.get(f"{engine.backend}/{engine.model}", (0, 0))
    return replace(engine, tokens_per_s=speed, in_flight=in_flight, queued=queued)


def _none(settings: Settings) -> EngineSeen:
    backend = settings.engine.backend
    minimal = backend == "contextual"
    reason = "" if minimal else "none runs: it is started by `parley up`"
    roles = tuple(role for role in get_args(Role) if SHARED in settings.engines_of(role))
    return EngineSeen(SHARED, backend, "rules" if minimal else "none", "", "generate", roles, ok=minimal, reason=reason)


def _address(config: EngineConfig) -> str:
    return without_login(config.endpoint.base_url) if config.endpoint is not None else ""
