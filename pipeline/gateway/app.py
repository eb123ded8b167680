"""The whole gateway as one ASGI application: endpoints, socket and page behind the same guards."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from infra.bus.connection import Bus
from infra.clock import Clock
from infra.settings import Settings
from pipeline import wiring
from pipeline.front_end import FrontEnd
from pipeline.gateway import api, guards
from pipeline.gateway.audit import Audit
from pipeline.gateway.ears import Ears
from pipeline.gateway.given import Gateway
from pipeline.gateway.guarding import Guard
from pipeline.gateway.pages import page_router
from pipeline.gateway.socket import endpoint
from pipeline.gateway.socket.company import Company
from pipeline.partials import PartialTranscripts

Counts = Callable[[], Mapping[str, int]]


@asynccontextmanager
async def opened(settings: Settings, bus: Bus, clock: Clock) -> AsyncIterator[tuple[FastAPI, Counts]]:
    """The application of one gateway, and what it counts; its connections are closed when the block ends."""
    guard = Guard.of(settings)
    blobs = await wiring.blobs_of(settings, bus)
    company = Company()
    await company.listen(bus)
    async with Ears(longest_s=settings.stt.longest_s) as ears:
        gateway = Gateway(
            settings=settings,
            bus=bus,
            blobs=blobs,
            clock=clock,
            front_end=FrontEnd(bus, blobs, settings, clock),
            ears=ears,
            partials=PartialTranscripts(bus),
            company=company,
        )
        yield make_app(gateway, guard), lambda: {"sockets": len(company)}


def make_app(gateway: Gateway, guard: Guard) -> FastAPI:
    """The application on what it is given."""
    app = FastAPI(
        title="Parley",
        description=DESCRIPTION,
        version=VERSION,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.given = gateway
    guards.install(app, guard, Audit(gateway.bus, gateway.settings.tenant, gateway.clock))
    api.install(app, gateway.settings.gateway)
    app.include_router(endpoint.router)
    app.include_router(page_router())
    api.install(app, gateway.settings.gateway)
    return app


DESCRIPTION = (
    "A voice assistant on your own machine. Typed and spoken turns, what became of them, and what is remembered. "
    "For speech while it is spoken and answers while they are made use the WebSocket at `/ws`."
)
VERSION = "1.0"
