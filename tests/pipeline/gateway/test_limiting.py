"""How much one may take."""

import logging
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from infra.gateway_settings import GatewaySettings
from pipeline.gateway.limiting import PLACES, Limits, RateLimit, counted_as
from pipeline.gateway.open_sockets import OpenSockets
from pipeline.gateway.refusals import TooMany

if TYPE_CHECKING:
    from tests.pipeline.gateway.conftest import NewDoor

# Counting


def test_so_many_a_minute_and_no_more_until_it_is_over(elapsed: list[float]) -> None:
    limit = RateLimit("user", 2, 100, lambda: elapsed[0])

    def count() -> tuple[bool, int]:
        standing = limit.count("ann")
        assert standing is not None
        return standing.refused, standing.reset_s

    assert [count(), count(), count()] == [(False, 60), (False, 60), (True, 60)]
    elapsed[0] = 59.5
    assert count() == (True, 1)
    elapsed[0] = 60.0
    assert count() == (False, 60)


def test_each_has_a_count_of_their_own(elapsed: list[float]) -> None:
    limit = RateLimit("user", 1, 1 << 30, lambda: elapsed[0])

    refused = [standing.refused for who in ("ann", "bob", "ann") if (standing := limit.count(who)) is not None]

    assert refused == [False, False, True]


def test_without_a_limit_nobody_counts() -> None:
    assert Limits(GatewaySettings(requests_per_minute=None)).of_user("ann") is None


def test_a_hundred_thousand_addresses_take_no_more_memory_than_there_are_places() -> None:
    limits = Limits(GatewaySettings())

    for number in range(100_000):
        limits.of_address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    counted = limits._addresses._storage._counted  # what cannot be seen from outside is the point here
    assert len(counted) <= PLACES
    assert sys.getsizeof(counted) + sum(map(sys.getsizeof, counted.values())) < 4 << 20


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("local", "local"),
    ],
)
def test_a_household_is_one_address(address: str, counted: str) -> None:
    assert counted_as(address) == counted


# Requests


async def test_a_user_is_told_how_they_stand_and_stopped_at_the_limit(new_door: "NewDoor") -> None:
    door = await new_door(requests_per_minute=2)

    first, second, third = [await door.client.get("/api/me", headers=door.header("ann")) for _ in range(3)]
    other = await door.client.get("/api/me", headers=door.header("bob"))

    assert [first.status_code, second.status_code, third.status_code, other.status_code] == [200, 200, 429, 200]
    assert first.headers["ratelimit-policy"] == '"user";q=2;w=60'
    assert first.headers["ratelimit"] == '"user";r=1;t=60'
    assert third.headers["ratelimit"].startswith('"user";r=0;t=')
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert third.json()["detail"].startswith("more than 2 requests a minute of one user; try again in ")


async def test_an_address_is_stopped_at_its_limit_whoever_asks(
    new_door: "NewDoor", caplog: pytest.LogCaptureFixture
) -> None:
    door = await new_door(address_requests_per_minute=3)

    with caplog.at_level(logging.INFO):
        statuses = [(await door.client.get("/api/me", headers=door.header(user))).status_code for user in "abcdefgh"]

    assert statuses == [200] * 3 + [429] * 5
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("parley")]
    assert len(lines) == 4, "one for each that was let in, and one for all that were not"
    assert "127.0.0.1 makes more than 3 requests a minute and is refused" in lines


async def test_wrong_tokens_cannot_be_tried_without_end(new_door: "NewDoor") -> None:
    door = await new_door(address_requests_per_minute=5)

    statuses = [
        (await door.client.get("/api/me", headers={"Authorization": f"Bearer {n}"})).status_code for n in range(7)
    ]

    assert statuses == [401] * 5 + [429] * 2


# Bodies


async def chunks(size: int, each: int = 1_000) -> AsyncIterator[bytes]:
    for _ in range(size // each):
        yield b" " * each


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(
    new_door: "NewDoor", chunked: bool
) -> None:
    door = await new_door(body_max_mb=0.01)
    headers = {**door.header(), "Content-Type": "application/json"}

    answer = await door.client.post("/api/say", content=chunks(11_000) if chunked else b" " * 11_000, headers=headers)

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:parley:problem:too-large"
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-security-policy"]


async def test_a_body_that_nobody_would_read_is_refused_before_anything_is_done(new_door: "NewDoor") -> None:
    door = await new_door(body_max_mb=0.01)

    answer = await door.client.request("DELETE", "/api/history/ann", content=b" " * 11_000, headers=door.header("ann"))

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:parley:problem:too-large"
    assert door.app.state.deleted == []


async def test_a_recording_may_be_larger(new_door: "NewDoor") -> None:
    door = await new_door(body_max_mb=0.01, upload_max_mb=0.1)

    async def sent(size: int) -> tuple[int, object]:
        answer = await door.client.post("/api/upload", files={"file": b"x" * size}, headers=door.header())
        return answer.status_code, answer.json()

    assert await sent(50_000) == (200, 50_000)
    assert (await sent(101_000))[0] == 413


# Sockets


async def test_so_many_sockets_of_an_address_and_overall() -> None:
    sockets = OpenSockets(GatewaySettings(sockets_max=3, sockets_per_address=2))

    async with sockets.opened("10.0.0.1"), sockets.opened("10.0.0.1"):
        with pytest.raises(TooMany, match="2 sockets are open from this address"):
            await sockets.opened("10.0.0.1").__aenter__()
        async with sockets.opened("10.0.0.2"):
            with pytest.raises(TooMany, match="all 3 sockets of this gateway are taken"):
                await sockets.opened("10.0.0.3").__aenter__()
    assert sockets.open == 0
    assert not sockets._of_address


async def test_so_many_sockets_of_a_user_wherever_they_are() -> None:
    sockets = OpenSockets(GatewaySettings(sockets_per_user=1))

    async with sockets.opened("10.0.0.1") as first:
        first.belongs_to("ann")
        async with sockets.opened("10.0.0.2") as second:
            with pytest.raises(TooMany, match="1 sockets of this user are open"):
                second.belongs_to("ann")
            second.belongs_to("bob")
            second.belongs_to("bob")
    async with sockets.opened("10.0.0.3") as third:
        third.belongs_to("ann")
    assert not sockets._of_user
