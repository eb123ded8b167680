"""Puts all guards around an application, in their order, and says at the start how it stands with them.

    app = FastAPI(...)                                   # no debug, no middleware of its own needed
    guards.install(app, Guard.of(settings), Audit(bus, settings.tenant, clock))
    config = uvicorn.Config(app, **connections.options(settings.gateway, app.state.guard.limits))

From the outside in: what the proxy says, floods, the line in the log, headers, other pages, names and origins,
problems, the size of bodies, the token. A route that takes in a recording says so:

    @app.post("/api/stt/transcribe-and-respond", max_body_size=guards.upload_max(settings.gateway))
"""

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from infra.gateway_settings import GatewaySettings, who_may
from pipeline.gateway import problems
from pipeline.gateway.access_log import AccessLog
from pipeline.gateway.audit import Audit
from pipeline.gateway.body_limit import BodyLimit
from pipeline.gateway.guarding import Guard, Recognising
from pipeline.gateway.headers import SecurityHeaders, other_pages
from pipeline.gateway.limiting import Flood
from pipeline.gateway.origins import Origins

_MB = 1_000_000


def install(app: FastAPI, guard: Guard, audit: Audit) -> None:
    """Once, before the application serves."""
    settings = guard.settings.gateway
    guard.audit = audit
    app.state.guard = guard
    problems.install(app)
    app.add_middleware(Recognising, guard=guard)  # what is added last is passed first
    app.add_middleware(BodyLimit, max_bytes=body_max(settings))
    app.add_middleware(problems.Problems)
    app.add_middleware(Origins, settings=settings)
    app.add_middleware(other_pages, settings=settings)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    app.add_middleware(Flood, limits=guard.limits)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))


def body_max(settings: GatewaySettings) -> int:
    """Bytes of a body."""
    return int(settings.body_max_mb * _MB)


def upload_max(settings: GatewaySettings) -> int:
    """Bytes of a body with a recording in it."""
    return int(settings.upload_max_mb * _MB)


def told_at_start(guard: Guard) -> str:
    """The line with which a gateway says who may come in; loud when anybody on this machine may."""
    return who_may(guard.settings.gateway, guard.settings.user)
