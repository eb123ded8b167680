"""What browsers are told, and from where a page may call."""

from typing import TYPE_CHECKING

import pytest
from httpx import Response

from infra.tokens import Role

if TYPE_CHECKING:
    from tests.pipeline.gateway.conftest import NewDoor

APP = "https://app.example.org"


async def asked(door_of: "NewDoor", method: str = "GET", path: str = "/health", **gateway: object) -> Response:
    headers: dict[str, str] = {name: str(gateway.pop(name)) for name in ("Host", "Origin") if name in gateway}
    door = await door_of(**gateway)
    headers |= door.header("ann", Role.ADMIN)
    return await door.client.request(method, path, headers=headers)


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/api/history/bob"])
async def test_every_answer_tells_browsers_to_be_strict(new_door: "NewDoor", path: str) -> None:
    headers = (await asked(new_door, path=path)).headers

    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("microphone=(self), camera=()")
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    assert "access-control-allow-origin" not in headers


async def test_a_header_that_an_endpoint_has_set_stays(new_door: "NewDoor") -> None:
    assert (await asked(new_door, path="/page")).headers.get_list("cache-control") == ["max-age=60"]


async def test_https_is_to_stay_https(new_door: "NewDoor") -> None:
    answer = await asked(new_door, base_url="https://127.0.0.1")

    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_proxy_that_is_trusted_says_where_one_comes_from_and_how(new_door: "NewDoor") -> None:
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    trusting = await new_door(trusted_proxies=["127.0.0.1"], address_requests_per_minute=1)
    door = await new_door(address_requests_per_minute=1)

    async def statuses(of: object) -> list[int]:
        client = of.client  # type: ignore[attr-defined]  # a Door
        ways = [told, {**told, "X-Forwarded-For": "203.0.113.8"}, told]
        return [(await client.get("/health", headers=way)).status_code for way in ways]

    assert await statuses(trusting) == [200, 200, 429]
    assert await statuses(door) == [200, 429, 429]
    https = await trusting.client.get("/health", headers={**told, "X-Forwarded-For": "203.0.113.7"})
    assert "strict-transport-security" in https.headers


# Names


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LocalHost", "[::1]:8080"])
async def test_this_machine_has_several_names(new_door: "NewDoor", host: str) -> None:
    assert (await asked(new_door, Host=host)).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["evil.example.org", "127.0.0.1.evil.org", "localhost.evil.org:8080", "a@127.0.0.1", "", "a b", "[", "127.0.0.1:x"],
)
async def test_a_name_that_was_rebound_to_this_machine_gets_nothing(new_door: "NewDoor", name: str) -> None:
    answer = await asked(new_door, Host=name, auth="none")

    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:parley:problem:misdirected"


async def test_beyond_this_machine_and_behind_a_proxy_any_name_may_be_its_own(new_door: "NewDoor") -> None:
    proxied = await asked(new_door, Host="parley.example.org", trusted_proxies=["10.0.0.1"])
    beyond = await asked(new_door, Host="parley.example.org", host="0.0.0.0")

    assert (proxied.status_code, beyond.status_code) == (200, 200)


# Origins


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1", 200),
        ("http://127.0.0.1:80", 200),
        ("http://127.0.0.1:8080", 403),
        ("https://127.0.0.1", 403),
        ("http://localhost", 403),
        ("http://evil.example.org", 403),
        ("null", 403),
        (APP, 403),
    ],
)
async def test_a_page_of_another_origin_changes_nothing(new_door: "NewDoor", origin: str, status: int) -> None:
    answer = await asked(new_door, "DELETE", "/api/history/bob", Origin=origin, auth="none")

    assert answer.status_code == status


async def test_a_page_of_another_origin_may_look_but_its_browser_shows_it_nothing(new_door: "NewDoor") -> None:
    answer = await asked(new_door, Origin="http://evil.example.org")

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_pages_that_are_configured_may_call(new_door: "NewDoor") -> None:
    done = await asked(new_door, "DELETE", "/api/history/bob", Origin=APP, cors_origins=[APP])
    refused = await asked(new_door, "DELETE", "/api/history/bob", Origin="https://app.example.com", cors_origins=[APP])

    assert (done.status_code, done.headers["access-control-allow-origin"]) == (200, APP)
    assert "Retry-After" in done.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in done.headers
    assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (403, None)


@pytest.mark.parametrize(
    ("origin", "header", "status"),
    [(APP, "authorization", 200), (APP, "x-other", 400), ("https://evil.example.org", "authorization", 400)],
)
async def test_a_browser_that_asks_before_is_told(new_door: "NewDoor", origin: str, header: str, status: int) -> None:
    door = await new_door(cors_origins=[APP])
    asks = {"Origin": origin, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": header}

    answer = await door.client.options("/api/history/bob", headers=asks)

    assert answer.status_code == status
    assert ("access-control-allow-origin" in answer.headers) == (origin == APP)
