"""A gateway's endpoints on the Parley that runs for all tests, asked as its user or with tokens; no server between."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from infra import settings as configuration
from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.settings import Settings
from infra.tokens import Role, make_token
from pipeline.cli.joining import joined
from pipeline.gateway.app import opened
from pipeline.process import address_of
from tests.pipeline.gateway.api.asking import asking

if TYPE_CHECKING:
    from tests.conftest import Parley

KEY = "k" * 40
Ask = Callable[..., httpx.AsyncClient]
Make = Callable[..., Awaitable[FastAPI]]


def settings_of(parley: "Parley", **changes: str) -> Settings:
    """Its settings, as a gateway beside it has them; limits that no test is about are out of the way."""
    wide = {"gateway.requests_per_minute": "100000", "gateway.address_requests_per_minute": "100000"}
    told = {**parley.environment, "PARLEY_DATA_DIR": str(parley.data)}
    return joined(configuration.load(environment=told, changes={**wide, **changes}))


@pytest.fixture
async def gateway(running_parley: "Parley") -> AsyncIterator[Make]:
    """Makes a gateway's application: `await gateway(**{"gateway.auth": "jwt"})`."""
    async with AsyncExitStack() as stack:

        async def make(**changes: str) -> FastAPI:
            settings, clock = settings_of(running_parley, **changes), SystemClock()
            bus = await stack.enter_async_context(Bus(address_of(settings), name="test-gateway"))
            app, _ = await stack.enter_async_context(opened(settings, bus, clock))
            return app

        yield make


@pytest.fixture
async def client(gateway: Make) -> AsyncIterator[httpx.AsyncClient]:
    """Asks as the configured user, from whom no token is wanted."""
    async with asking(await gateway()) as found:
        yield found


@pytest.fixture
async def guarded(gateway: Make) -> FastAPI:
    """A gateway that wants tokens."""
    return await gateway(**{"gateway.auth": "jwt", "gateway.key": KEY})


@pytest.fixture
async def as_user(guarded: FastAPI) -> AsyncIterator[Ask]:
    """`as_user("ann", Role.ADMIN)`: asks as somebody, with their token."""
    async with AsyncExitStack() as stack:

        def ask(user: str, *roles: Role) -> httpx.AsyncClient:
            token = make_token(
                guarded.state.given.settings, user, roles or (Role.USER,), timedelta(hours=1), SystemClock().now()
            )
            client = asking(guarded, {"Authorization": f"Bearer {token}"})
            stack.push_async_callback(client.aclose)
            return client

        yield ask
