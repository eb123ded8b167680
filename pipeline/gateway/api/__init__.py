"""The HTTP endpoints, one kind of thing a file. `install(app)` adds them all."""

from typing import Final

from fastapi import APIRouter, FastAPI

from infra.gateway_settings import GatewaySettings
from pipeline.gateway.api import (
    belongings,
    chat,
    feedback,
    health,
    hearing,
    history,
    intents,
    model,
    refusals,
    report,
    sound,
    turns,
)
from pipeline.gateway.guards import upload_max

ROUTERS: Final[tuple[APIRouter, ...]] = (
    chat.router,
    model.router,
    history.router,
    intents.router,
    turns.router,
    sound.router,
    feedback.router,
    belongings.router,
    report.router,
    health.router,
)


def install(app: FastAPI, settings: GatewaySettings) -> None:
    """All endpoints, and how their own errors are told. To be served they need `app.state.given`, and all guards."""
    refusals.install(app)
    app.include_router(hearing.routes(upload_max(settings)))
    for router in ROUTERS:
        app.include_router(router)
