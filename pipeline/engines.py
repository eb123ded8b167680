"""The engines as the settings describe them: by name, by role, and whether they answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from infra.clock import Clock, SystemClock
from infra.engines.port import EngineHealth, Role
from infra.settings import CONTEXTUAL, SHARED, EngineSettings, ModelSettings, ServerSettings, Settings

if TYPE_CHECKING:
    from infra.engines.factory import EngineConfig
    from infra.engines.http import Endpoint
    from infra.engines.judging import Asks
    from infra.engines.ranking import Ranker
    from infra.engines.roles import Roles


def engine_configs(settings: Settings) -> "Mapping[str, EngineConfig]":
    """All engines by name. The shared one is missing in minimal mode, and as long as its address is not known."""
    shared = _shared(settings.engine)
    named = {name: _named(model) for name, model in settings.models.items()}
    return {SHARED: shared, **named} if shared is not None else named


def uses_shared(settings: Settings) -> bool:
    """Whether any role asks the engine of the section `engine`."""
    return any(SHARED in settings.engines_of(role) for role in get_args(Role))


def roles_of(settings: Settings, clock: Clock) -> "Roles":
    """Who answers for which role, best first; after them chat has earlier answers and rules."""
    from infra.engines.factory import make_roles

    configs = engine_configs(settings)
    listed: dict[Role, list[str]] = {}
    for role in get_args(Role):
        names = [name for name in settings.engines_of(role) if name in configs and configs[name].port == "generate"]
        if names:
            listed[role] = names
    return make_roles(configs, listed, clock)


def model_of(settings: Settings, role: Role) -> str | None:
    """The model of the role's first engine; None where there is none, or it is the one that comes with Parley."""
    configs = engine_configs(settings)
    found = next((configs[name] for name in settings.engines_of(role) if name in configs), None)
    return (found.endpoint.model or None) if found is not None and found.endpoint is not None else None


def ranker_of(settings: Settings, clock: Clock, roles: "Roles", asks: "Asks") -> "Ranker | None":
    """Who scores candidates; None where nobody is listed. `asks`: what one of `roles` that generates is asked."""
    from infra.engines.factory import make_ranker
    from infra.engines.judging import ByGenerating

    configs = engine_configs(settings)
    names = [name for name in settings.engines_of("rank") if name in configs]
    judging = [name for name in names if configs[name].port == "generate"]
    seats = roles.seats("rank") if judging else ()
    judges = {name: ByGenerating(seat, asks, clock) for name, seat in zip(judging, seats, strict=True)}
    return make_ranker(configs, names, clock, judges=judges)


async def engine_health(settings: Settings, name: str = SHARED) -> EngineHealth:
    """Whether an engine that generates answers; well when there is none of this name. Never raises."""
    from infra.engines.factory import make_engine

    config = engine_configs(settings).get(name)
    if config is None:
        return EngineHealth(ok=True, reason="there is none: replies come from rules")
    engine = make_engine(config, SystemClock())
    try:
        return await engine.health()
    finally:
        await engine.aclose()


def _shared(engine: EngineSettings) -> "EngineConfig | None":
    from infra.engines.factory import EngineConfig

    if engine.backend == CONTEXTUAL or engine.base_url is None:
        return None
    backend = "openai" if engine.backend == "auto" else engine.backend  # an address of any kind: the bare protocol
    return EngineConfig(backend=backend, endpoint=_endpoint(engine), places=engine.places)


def _named(model: ModelSettings) -> "EngineConfig":
    from infra.engines.factory import EngineConfig
    from infra.engines.seats import OwnSampling

    sampling = OwnSampling(
        temperature=model.temperature,
        top_p=model.top_p,
        top_k=model.top_k,
        repetition_penalty=model.repetition_penalty,
        max_tokens=model.max_tokens,
    )
    return EngineConfig(
        backend=model.backend,
        endpoint=_endpoint(model) if model.base_url else None,
        places=model.places,
        sampling=sampling,
        port=model.port,
    )


def _endpoint(server: ServerSettings) -> "Endpoint":
    from infra.engines.http import Endpoint

    return Endpoint(
        base_url=server.base_url or "",
        model=server.model or "",
        api_key=server.key,
        connect_timeout_s=server.connect_timeout_s,
        first_token_timeout_s=server.first_token_timeout_s,
        stall_timeout_s=server.stall_timeout_s,
        verify_ssl=server.verify_ssl,
        use_grammar=server.use_grammar,
    )
