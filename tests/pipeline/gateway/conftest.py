"""A small application behind the gateway's real guards: in this process, or served by uvicorn on a free port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.settings import Settings
from infra.tasks import cancelled
from infra.tokens import Identity, Role, make_token
from pipeline.gateway import connections, guards
from pipeline.gateway.audit import Audit
from pipeline.gateway.auditing import audited, permitted
from pipeline.gateway.guarding import Guard, Who, needs, own_or
from pipeline.gateway.limiting import address_of
from pipeline.gateway.refusals import responses

KEY = "a key of at least thirty-two bytes, for tests"
HERE = "http://127.0.0.1"

MakeToken = Callable[..., str]


class Said(BaseModel):
    message: str = Field(min_length=1, max_length=50)
    times: int = 1


def application(guard: Guard, audit: Audit, raised: dict[str, Exception]) -> FastAPI:
    """Endpoints of each kind."""
    app = FastAPI()
    guards.install(app, guard, audit)

    @app.get("/health")
    async def health() -> str:
        return "well"

    @app.get("/page")
    async def page() -> StreamingResponse:
        return StreamingResponse(iter([b"static"]), headers={"Cache-Control": "max-age=60"})

    @app.get("/api/me", responses=responses(401, 429))
    async def me(identity: Who) -> str:
        return identity.user

    @app.get("/api/stats", dependencies=[needs(Role.ANALYTICS)])
    async def stats() -> str:
        return "many"

    @app.get("/api/own/{user_id}", dependencies=[own_or(Role.ANALYTICS)])
    async def own(user_id: str) -> str:
        return f"of {user_id}"

    @app.get("/api/history/{user_id}")
    async def history(user_id: str, identity: Annotated[Identity, audited("read", "history")]) -> str:
        return f"of {user_id} for {identity.user}"

    @app.delete("/api/history/{user_id}", dependencies=[audited("delete", "history")])
    async def forget(user_id: str) -> str:
        deleted.append(user_id)
        return "gone"

    @app.get("/api/report", dependencies=[audited("read", "report", of_all=True)])
    async def report() -> str:
        return "all"

    @app.get("/api/turns/{turn_id}")
    async def turn(turn_id: str, request: Request, identity: Who) -> str:
        await permitted(request, identity, "read", "turn", whose="bob", trace="what he said")
        return turn_id

    @app.post("/api/say")
    async def say(said: Said, identity: Who) -> str:
        return said.message

    @app.post("/api/upload", max_body_size=guards.upload_max(guard.settings.gateway))
    async def upload(file: UploadFile, identity: Who) -> int:
        return len(await file.read())

    @app.get("/raise/{name}")
    async def fail(name: str) -> str:
        raise raised[name]

    @app.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def some() -> AsyncIterator[bytes]:
            yield b"half"
            raise raised["unexpected"]

        return StreamingResponse(some())

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        async with guard.sockets.opened(address_of(websocket.scope)) as place:
            await websocket.accept()
            hello = json.loads(await websocket.receive_text())
            identity = guard.recognised(websocket, hello.get("token"))
            place.belongs_to(identity.user)
            await websocket.send_text(f"hello {identity.user}")
            async for message in websocket.iter_text():
                if message in raised:
                    raise raised[message]
                await websocket.send_text(message)

    deleted: list[str] = []
    app.state.deleted = deleted
    return app


@dataclass(frozen=True)
class Door:
    """An application, and a client in this process."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: Settings

    def token(self, user: str = "ann", *roles: Role, lifetime: timedelta = timedelta(hours=1)) -> str:
        """A good one."""
        return make_token(self.settings, user, {Role.USER, *roles}, lifetime, datetime.now(UTC))

    def header(self, user: str = "ann", *roles: Role) -> dict[str, str]:
        """A header that lets a user in."""
        return {"Authorization": f"Bearer {self.token(user, *roles)}"}


NewDoor = Callable[..., Awaitable[Door]]


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with this section `gateway`; with tokens unless it says otherwise."""

    def make(**gateway: Any) -> Settings:
        section = {"auth": "jwt", "key": KEY, **gateway}
        return Settings.model_validate({"data_dir": tmp_path, "user": "me", "gateway": section})

    return make


@pytest.fixture
def raised() -> dict[str, Exception]:
    """What the endpoint /raise/{name} raises."""
    return {}


@pytest.fixture
async def new_door(
    settings_of: Callable[..., Settings], bus: Bus, raised: dict[str, Exception]
) -> AsyncIterator[NewDoor]:
    """Makes the application with this section `gateway`, and a client of it."""
    async with AsyncExitStack() as stack:

        async def make(*, address: str = "127.0.0.1", base_url: str = HERE, **gateway: Any) -> Door:
            settings = settings_of(**gateway)
            app = application(Guard.of(settings), Audit(bus, settings.tenant, SystemClock()), raised)
            transport = httpx.ASGITransport(app=app, client=(address, 4711))
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=base_url))
            return Door(app, client, settings)

        yield make


@pytest.fixture
async def door(new_door: NewDoor) -> Door:
    """With tokens, and everything else as it comes."""
    return await new_door()


@dataclass(frozen=True)
class Served(Door):
    """Behind a real uvicorn."""

    port: int

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"


NewServed = Callable[..., Awaitable[Served]]


@pytest.fixture
async def new_served(
    settings_of: Callable[..., Settings], bus: Bus, raised: dict[str, Exception]
) -> AsyncIterator[NewServed]:
    """Serves the application with this section `gateway` on a free port."""
    async with AsyncExitStack() as stack:

        async def make(**gateway: Any) -> Served:
            settings = settings_of(**gateway)
            guard = Guard.of(settings)
            app = application(guard, Audit(bus, settings.tenant, SystemClock()), raised)
            port = await stack.enter_async_context(_running(app, guard))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{HERE}:{port}"))
            return Served(app, client, settings, port)

        yield make


@asynccontextmanager
async def _running(app: FastAPI, guard: Guard) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    options = connections.options(guard.settings.gateway, guard.limits)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=1, **options))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        try:
            async with asyncio.timeout(10):
                await serving
        except TimeoutError:
            await cancelled(serving)
        listening.close()


@pytest.fixture
def elapsed() -> Iterator[list[float]]:
    """The reading of a monotonic clock, in seconds, that the test may change."""
    yield [0.0]
