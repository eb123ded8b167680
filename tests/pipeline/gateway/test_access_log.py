"""One line a request, and no secret in any line of any log."""

import asyncio
import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline.gateway.access_log import PATH_MAX_CHARS, shown_path

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.conftest import NewServed, Served

BODY = "my doctor says that nobody may know"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "parley.gateway.access"]


async def test_a_line_tells_of_each_request(new_served: "NewServed", caplog: pytest.LogCaptureFixture) -> None:
    served = await new_served()

    with caplog.at_level(logging.INFO):
        await served.client.get("/api/history/ann?page=3", headers=served.header("ann"))
        await served.client.get("/nowhere/at/all.txt")
        await served.client.post("/api/say", json={"message": BODY})

    shown = [re.sub(r"\d+ ms", "N ms", line) for line in lines(caplog)]
    assert shown == [
        "127.0.0.1 GET /api/history/{user_id} 200 N ms",
        "127.0.0.1 GET /nowhere/at/all.txt 404 N ms",
        "127.0.0.1 POST /api/say 401 N ms",
    ]


async def test_a_line_tells_of_each_socket(
    new_served: "NewServed", caplog: pytest.LogCaptureFixture, until: "Until"
) -> None:
    served = await new_served()

    with caplog.at_level(logging.INFO):
        async with connect(served.ws) as socket:
            await socket.send(json.dumps({"token": served.token()}))
            await socket.recv()
        with pytest.raises(InvalidStatus):
            await connect(served.ws, additional_headers={"Authorization": "Bearer x"})
        await until(lambda: len(lines(caplog)) == 2)

    shown = sorted(re.sub(r"after [\d.]+", "after N", line) for line in lines(caplog))
    assert shown == ["127.0.0.1 socket /ws closed 1000 after N s", "127.0.0.1 socket /ws refused 401 after N s"]


async def test_who_goes_away_before_the_hello_is_no_error(
    new_served: "NewServed", caplog: pytest.LogCaptureFixture, until: "Until"
) -> None:
    served = await new_served()

    with caplog.at_level(logging.INFO):
        async with connect(served.ws):
            pass
        async with connect(served.ws) as socket:
            socket.transport.abort()
        await until(lambda: len(lines(caplog)) == 2)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def _everything_wrong(served: "Served", tokens: list[str]) -> None:
    """Each token in each place where one may put it, and rubbish besides."""
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"token={token}", "X-Token": token}
        for path in ("/api/me", f"/{token}", f"/api/own/{token}", f"/raise/it?token={token}", "/breaks-off"):
            with contextlib.suppress(httpx.RemoteProtocolError):  # the answer that breaks off
                await served.client.get(path, params={"access_token": token}, headers=headers)
        await served.client.post("/api/say", json={"message": BODY, token: token}, headers=headers)
        await served.client.post("/api/say", content=f'{{"message": "{BODY}{token}'.encode(), headers=headers)
        await served.client.request(token[:8], "/api/me", headers=headers)
        for target in (f"{served.ws}?token={token}", served.ws):
            with contextlib.suppress(ConnectionClosed, InvalidStatus):
                async with connect(target) as socket:
                    await socket.send(json.dumps({"token": token, "message": BODY}))
                    await socket.recv()
                    await socket.send("it")
                    await socket.recv()
        with contextlib.suppress(InvalidStatus):
            async with connect(f"{served.ws}?token={token}", additional_headers=headers):
                pass
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET /?token={token} HTTP/9\r\nAuthorization: {token}\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def test_no_token_and_nothing_that_was_said_is_in_any_line(
    new_served: "NewServed", raised: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    raised.update(it=KeyError(BODY), unexpected=KeyError(BODY))
    served = await new_served(requests_per_minute=None, address_requests_per_minute=None)
    right = served.token()
    wrong = ".".join([*right.split(".")[:2], "d3JvbmdzaWduYXR1cmU"])
    key = served.settings.gateway.key
    assert key is not None
    secrets = [right, wrong, *right.split(".")[1:], "d3JvbmdzaWduYXR1cmU", BODY, key.get_secret_value()]

    for client in ("httpx", "httpcore", "websockets.client"):  # the clients of this test are no part of it
        caplog.set_level(logging.CRITICAL, client)
    with caplog.at_level(logging.DEBUG):
        await _everything_wrong(served, [right, wrong])

    whole = [logging.Formatter().format(record) for record in caplog.records]
    assert any("unexpected KeyError" in line for line in whole), "what is looked for would be seen"
    assert not any("handshake" in line for line in whole)
    assert any("/api/own/{user_id}" in line for line in whole)
    assert not [(secret, line) for secret in secrets for line in whole if secret in line]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/turns/01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10", "/api/turns/01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10"),
        ("/style.css", "/style.css"),
        ("/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "/…"),
        ("/a\nb 200 OK", "/…"),
        ("/\x1b[31m", "/…"),
        ("/ann@example.org", "/…"),
        ("/" + "a" * 37, "/…"),
        ("/a" * 5_000, ("/a" * 5_000)[:PATH_MAX_CHARS]),
    ],
)
def test_a_path_that_is_no_route_shows_words_and_ids_only(path: str, shown: str) -> None:
    assert shown_path({"path": path}) == shown
