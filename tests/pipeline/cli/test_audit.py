"""`parley audit`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.tokens import Identity, Role
from pipeline.gateway.audit import EVERYBODY, Audit, Deed
from schemas.ids import DEFAULT_TENANT, UserId

if TYPE_CHECKING:
    from infra.bus.server import BusAddress

Cli = Callable[..., Result]
Asked = Callable[..., Awaitable[Result]]
OneLine = Callable[[Result], str]


@pytest.fixture
def audit(cli: Cli, bus_address: "BusAddress", monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Calls `parley audit` where there is a bus."""
    monkeypatch.setenv("NATS_URL", bus_address.url)
    monkeypatch.setenv("PARLEY_BUS__TOKEN", bus_address.token or "")
    monkeypatch.setenv("COLUMNS", "160")

    async def ask(*arguments: str) -> Result:
        return await asyncio.to_thread(cli, "audit", *arguments)

    return ask


async def test_the_record_is_a_table_or_lines_of_json(audit: Asked, bus: Bus) -> None:
    bob = Identity(UserId("bob"), frozenset({Role.USER, Role.ANALYTICS}))
    record = Audit(bus, DEFAULT_TENANT, SystemClock())
    await record.write(
        bob, Deed("read", "turn", "ann", "/api/turns/{turn_id}", {"turn_id": "7"}, "10.0.0.1"), "allowed"
    )
    await record.write(bob, Deed("read", "stats", EVERYBODY, "/stats", {}, "10.0.0.1"), "refused")

    table, lines, ann = [await audit(*with_) for with_ in ((), ("--json",), ("--user", "ann", "--json"))]

    assert "bob (analytics, user)" in table.stdout
    assert "turn 7" in table.stdout
    assert "everybody" in table.stdout
    told = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [(each["whose"], each["outcome"]) for each in told] == [("ann", "allowed"), (EVERYBODY, "refused")]
    assert [json.loads(line)["whose"] for line in ann.stdout.splitlines()] == ["ann"]


async def test_where_nothing_was_done_it_says_so(audit: Asked, bus: Bus) -> None:
    await Audit(bus, DEFAULT_TENANT, SystemClock()).write(
        Identity(UserId("ann"), frozenset()), Deed("read", "turn", "ann", "/", {}, "10.0.0.1"), "allowed"
    )

    result = await audit("--since", "2999-01-01")

    assert (result.exit_code, result.stdout) == (0, "nothing is on the record\n")


def test_what_cannot_be_asked_is_one_line(cli: Cli, one_line: OneLine) -> None:
    assert one_line(cli("audit", "--user", "a b")).startswith("user: 'a b' is not allowed")
    assert one_line(cli("audit", "--since", "soon")).startswith("since: 'soon' is not allowed")
    assert "no Parley runs on data" in one_line(cli("audit"))
