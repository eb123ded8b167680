"""Who read or deleted what of whom is on the record before it is done, or it is not done."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import nats.js.errors
import pytest

from infra.bus.connection import Bus
from infra.clock import SetClock, SystemClock
from infra.tokens import Identity, Role
from pipeline.gateway.audit import EVERYBODY, Audit, AuditRecord, Deed, records
from pipeline.gateway.guarding import Guard
from schemas.ids import DEFAULT_TENANT, UserId
from schemas.subjects import AUDIT_STREAM
from tests.pipeline.gateway.conftest import HERE, application

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.settings import Settings
    from tests.conftest import OwnServer
    from tests.pipeline.gateway.conftest import Door

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ANN = Identity(UserId("ann"), frozenset({Role.USER}))
DEED = Deed("read", "history", "ann", "/api/history/{user_id}", {}, "10.0.0.1")


async def recorded(bus: Bus) -> list[AuditRecord]:
    return await records(bus, DEFAULT_TENANT)


async def test_ones_own_deeds_are_on_the_record_too(door: "Door", bus: Bus) -> None:
    before = SystemClock().now()

    read = await door.client.get("/api/history/ann", headers=door.header("ann"))
    deleted = await door.client.delete("/api/history/ann", headers=door.header("ann"))

    assert (read.json(), deleted.json()) == ("of ann for ann", "gone")
    first, second = await recorded(bus)
    assert before <= first.time <= second.time <= SystemClock().now()
    assert first.model_dump(exclude={"id", "time"}) == {
        "who": "ann",
        "roles": ("user",),
        "action": "read",
        "whose": "ann",
        "what": "history",
        "route": "/api/history/{user_id}",
        "ids": {},
        "outcome": "allowed",
        "address": "127.0.0.1",
    }
    assert (second.action, second.outcome) == ("delete", "allowed")


@pytest.mark.parametrize(
    ("roles", "read", "delete"), [((), 403, 403), ((Role.ANALYTICS,), 200, 403), ((Role.ADMIN,), 200, 200)]
)
async def test_analysts_read_what_is_anothers_and_only_admins_delete_it(
    door: "Door", bus: Bus, roles: tuple[Role, ...], read: int, delete: int
) -> None:
    answers = [
        (await door.client.request(method, "/api/history/bob", headers=door.header("ann", *roles))).status_code
        for method in ("GET", "DELETE")
    ]

    assert answers == [read, delete]
    assert door.app.state.deleted == (["bob"] if delete == 200 else [])
    outcomes = ["refused" if status == 403 else "allowed" for status in answers]
    assert [record.outcome for record in await recorded(bus)] == outcomes


async def test_what_is_everybodys_takes_an_analyst(door: "Door", bus: Bus) -> None:
    refused = await door.client.get("/api/report", headers=door.header("ann"))
    allowed = await door.client.get("/api/report", headers=door.header("ann", Role.ANALYTICS))

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert [(record.whose, record.outcome) for record in await recorded(bus)] == [
        (EVERYBODY, "refused"),
        (EVERYBODY, "allowed"),
    ]


async def test_what_is_known_by_its_id_only_is_recorded_with_its_owner_and_without_contents(
    door: "Door", bus: Bus
) -> None:
    refused = await door.client.get("/api/turns/0198-7b1c", headers=door.header("ann"))
    allowed = await door.client.get("/api/turns/0198-7b1c", headers=door.header("bob"))

    assert (refused.status_code, allowed.status_code) == (403, 200)
    first, second = await recorded(bus)
    assert (first.who, first.whose, first.outcome) == ("ann", "bob", "refused")
    assert second.ids == {"turn_id": "0198-7b1c", "trace": "(no id)"}


async def test_whoever_is_unknown_leaves_no_record(door: "Door", bus: Bus) -> None:
    await door.client.get("/api/history/ann")
    await door.client.delete("/api/history/ann", headers={"Authorization": "Bearer rubbish"})

    assert await recorded(bus) == []


async def test_what_cannot_be_recorded_is_not_done(
    own_server: "OwnServer", settings_of: "Callable[..., Settings]"
) -> None:
    async with Bus(own_server.address, name="test") as bus:
        settings = settings_of(auth="none")
        app = application(Guard.of(settings), Audit(bus, settings.tenant, SystemClock()), {})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HERE) as client:
            await own_server.kill()

            answer = await client.delete("/api/history/ann")

            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:parley:problem:not-recorded"
            assert answer.headers["retry-after"] == "2"
            assert app.state.deleted == []

            await own_server.start()
            while (await client.delete("/api/history/bob")).status_code == 503:  # until the connection is back
                pass
            assert app.state.deleted == ["bob"]
        assert {record.whose for record in await recorded(bus)} >= {"bob"}


async def test_a_record_survives_the_death_of_the_bus(own_server: "OwnServer") -> None:
    async with Bus(own_server.address, name="test") as bus:
        await Audit(bus, DEFAULT_TENANT, SystemClock()).write(ANN, DEED, "allowed")
        await own_server.kill()
    await own_server.start()

    async with Bus(own_server.address, name="test") as bus:
        assert [record.who for record in await recorded(bus)] == ["ann"]


async def test_nobody_takes_a_record_back(bus: Bus) -> None:
    await Audit(bus, DEFAULT_TENANT, SystemClock()).write(ANN, DEED, "allowed")

    with pytest.raises(nats.js.errors.APIError, match="message delete not permitted"):
        await bus.js.delete_msg(AUDIT_STREAM, 1)
    with pytest.raises(nats.js.errors.APIError, match="stream purge not permitted"):
        await bus.js.purge_stream(AUDIT_STREAM)
    assert len(await recorded(bus)) == 1


async def test_records_are_found_by_user_and_time_and_strangers_among_them_left_out(bus: Bus) -> None:
    clock = SetClock(NOON)
    audit = Audit(bus, DEFAULT_TENANT, clock)
    bob = Identity(UserId("bob"), frozenset({Role.ADMIN}))
    await audit.write(ANN, DEED, "allowed")
    await audit.write(bob, DEED, "allowed")
    await audit.write(bob, Deed("delete", "notes", "eve", "/x", {}, "10.0.0.1"), "allowed")
    await bus.put("parley.audit.local.ann", b"somebody else's", {})
    await Audit(bus, "another", clock).write(ANN, DEED, "allowed")

    assert [record.who for record in await recorded(bus)] == ["ann", "bob", "bob"]
    assert [record.who for record in await records(bus, DEFAULT_TENANT, user="ann")] == ["ann", "bob"]
    assert [record.whose for record in await records(bus, DEFAULT_TENANT, user="eve")] == ["eve"]
    later, earlier = (SystemClock().now() + timedelta(hours=way) for way in (1, -1))
    assert await records(bus, DEFAULT_TENANT, since=later) == []
    assert len(await records(bus, DEFAULT_TENANT, since=earlier)) == 3


async def test_two_gateways_write_one_record(door: "Door", bus_address: object, bus: Bus) -> None:
    async with Bus(bus_address, name="another") as other:  # type: ignore[arg-type]  # a BusAddress
        await Audit(other, DEFAULT_TENANT, SystemClock()).write(ANN, DEED, "allowed")
    await door.client.get("/api/history/bob", headers=door.header("bob"))

    assert [record.who for record in await recorded(bus)] == ["ann", "bob"]
