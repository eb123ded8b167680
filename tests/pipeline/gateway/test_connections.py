"""Real connections to a real server: the silent, the many, the quick ones, and sockets."""

import asyncio
import json
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline.gateway.limiting import WINDOW_S

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.conftest import NewServed, Served

REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def answered(port: int, *sent: bytes) -> bytes:
    """All that a raw connection is told until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for each in sent:
            writer.write(each)
            await writer.drain()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def status(told: bytes) -> int:
    return int(told.split()[1])


# Silence


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
async def test_who_connects_and_does_not_finish_a_request_is_hung_up_on(new_served: "NewServed", sent: bytes) -> None:
    served = await new_served(hello_within_s=0.3)

    told = await answered(served.port, sent)

    assert status(told) == 408
    assert b"application/problem+json" in told


async def test_a_head_that_drips_is_not_given_more_time(new_served: "NewServed") -> None:
    served = await new_served(hello_within_s=0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    ended = asyncio.create_task(reader.read())

    with pytest.raises(ConnectionError):
        async with asyncio.timeout(30):
            while True:
                writer.write(b"G")
                await writer.drain()
                await asyncio.wait({ended}, timeout=0.05)

    await asyncio.gather(ended, return_exceptions=True)
    writer.close()


async def test_who_stops_in_the_middle_of_a_body_or_of_the_second_request_is_hung_up_on(
    new_served: "NewServed",
) -> None:
    served = await new_served(hello_within_s=0.3)
    header = served.header()["Authorization"].encode()
    body = b"POST /api/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\nAuthorization: " + header + b"\r\n\r\n{"

    assert await answered(served.port, body) in (b"", b"reset")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(REQUEST)
    assert (await reader.readuntil(b'"well"')).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /again")
    assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_who_is_quick_enough_is_answered_again_and_again(new_served: "NewServed") -> None:
    served = await new_served(hello_within_s=5)

    answers = [(await served.client.get("/health")).status_code for _ in range(20)]

    assert answers == [200] * 20


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10, b"\r\n\r\n\r\n!\r\n\r\n"])
async def test_rubbish_is_refused(new_served: "NewServed", rubbish: bytes) -> None:
    served = await new_served()

    assert status(await answered(served.port, rubbish)) == 400
    assert (await served.client.get("/health")).status_code == 200


# Too many


async def test_an_address_has_so_many_connections_and_gets_them_back(new_served: "NewServed", until: "Until") -> None:
    served = await new_served(sockets_per_address=3, hello_within_s=60)
    held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]

    told = await answered(served.port, REQUEST)
    for _, writer in held:
        writer.close()

    assert status(told) == 429
    assert b"Retry-After: 10" in told
    assert b"too many connections are open from this address" in told

    async def again() -> bool:
        one = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        return (await answered(served.port, one)).startswith(b"HTTP/1.1 200")

    await until(again)


async def test_all_connections_may_be_taken(new_served: "NewServed") -> None:
    served = await new_served(sockets_max=2, hello_within_s=60)
    held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]

    told = await answered(served.port, REQUEST)

    assert status(told) == 503
    for _, writer in held:
        writer.close()


async def test_ten_thousand_connections_in_a_row_are_refused_and_cost_little(new_served: "NewServed") -> None:
    served = await new_served(address_requests_per_minute=50)
    kept_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses: list[int] = []
    began_s = time.monotonic()

    async def many(count: int) -> None:
        for _ in range(count):
            told = await answered(served.port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            statuses.append(status(told) if told.startswith(b"HTTP") else 0)

    await asyncio.gather(*(many(500) for _ in range(20)))

    assert len(statuses) == 10_000
    windows = 1 + (time.monotonic() - began_s) // WINDOW_S
    assert 10 < statuses.count(200) <= 25 * windows, "each is a connection and a request"
    assert statuses.count(429) > 9_000  # of the rest the system may tell that it is closed before what was said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - kept_kb < 50_000


# Sockets


async def hello(served: "Served", socket: ClientConnection, token: str | None) -> Any:
    """What a socket is told after its hello."""
    await socket.send(json.dumps({"token": token}))
    return await socket.recv()


async def test_a_socket_is_known_by_its_hello_or_by_its_header(new_served: "NewServed") -> None:
    served = await new_served()

    async with connect(served.ws) as socket:
        assert await hello(served, socket, served.token("ann")) == "hello ann"
        await socket.send("and then?")
        assert await socket.recv() == "and then?"
    async with connect(served.ws, additional_headers=served.header("bob")) as socket:
        assert await hello(served, socket, None) == "hello bob"


@pytest.mark.parametrize("token", ["rubbish", None, ""])
async def test_a_hello_without_a_good_token_ends_the_socket(new_served: "NewServed", token: str | None) -> None:
    served = await new_served()

    async with connect(served.ws) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await hello(served, socket, token)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "Unauthorized")


async def refused(served: "Served", **options: Any) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(served.ws, **options):
            pass
    return caught.value


async def test_a_socket_with_a_bad_token_in_its_header_is_not_opened(new_served: "NewServed") -> None:
    served = await new_served()

    response = (await refused(served, additional_headers={"Authorization": "Bearer rubbish"})).response

    assert response.status_code == 401
    assert json.loads(response.body)["type"] == "urn:parley:problem:token-refused"


@pytest.mark.parametrize("origin", ["http://evil.example.org", "null", "https://127.0.0.1"])
async def test_a_page_of_another_origin_opens_no_socket(new_served: "NewServed", origin: str) -> None:
    served = await new_served(auth="none")

    response = (await refused(served, additional_headers={"Origin": origin})).response

    assert response.status_code == 403


async def test_a_page_of_this_gateway_and_of_those_configured_open_sockets(new_served: "NewServed") -> None:
    served = await new_served(auth="none", cors_origins=["https://app.example.org"])

    for origin in (f"http://127.0.0.1:{served.port}", "https://app.example.org"):
        async with connect(served.ws, additional_headers={"Origin": origin}) as socket:
            assert await hello(served, socket, None) == "hello me"


async def test_so_many_sockets_of_a_user_an_address_and_what_is_closed_is_free(
    new_served: "NewServed", until: "Until"
) -> None:
    served = await new_served(sockets_per_user=1, sockets_per_address=2)

    async with connect(served.ws) as first, connect(served.ws) as second:
        assert await hello(served, first, served.token("ann")) == "hello ann"
        with pytest.raises(ConnectionClosed) as closed:
            await hello(served, second, served.token("ann"))
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "Too Many Requests")
        await until(lambda: served.app.state.guard.sockets.open == 1)
        async with connect(served.ws) as third:
            assert await hello(served, third, served.token("bob")) == "hello bob"
            assert (await refused(served)).response.status_code == 429
    await until(lambda: served.app.state.guard.sockets.open == 0)
    async with connect(served.ws) as again:
        assert await hello(served, again, served.token("ann")) == "hello ann"


async def test_a_frame_that_is_too_large_ends_the_socket(new_served: "NewServed") -> None:
    served = await new_served(frame_max_kb=1)

    async with connect(served.ws) as socket:
        await hello(served, socket, served.token())
        await socket.send("x" * 1_025)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("secret", ["what nobody may read"])
async def test_what_nobody_expected_on_a_socket_closes_it_without_a_word_of_it(
    new_served: "NewServed", raised: dict[str, Exception], secret: str
) -> None:
    raised["now"] = KeyError(secret)
    served = await new_served()

    async with connect(served.ws) as socket:
        await hello(served, socket, served.token())
        await socket.send("now")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "Internal Server Error")


async def test_sockets_count_as_requests_of_their_address(new_served: "NewServed") -> None:
    served = await new_served(address_requests_per_minute=4)
    async with connect(served.ws), connect(served.ws):
        pass

    told = await answered(served.port, b"")

    assert status(told) == 429
