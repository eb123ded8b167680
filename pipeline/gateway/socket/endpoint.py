"""`WS /ws`: from the first byte to `hello`. Who passes becomes a session; who does not is told why."""

import logging

from fastapi import APIRouter, WebSocket

from infra.bus.errors import BusUnavailable
from infra.tokens import TokenRefused
from pipeline.gateway.given import Gateway, given
from pipeline.gateway.socket.peer import Ending, Peer
from pipeline.gateway.socket.problems import NotYours, problem_of
from pipeline.gateway.socket.session import Session
from schemas import socket as protocol
from schemas.errors import InvalidField, SchemaError
from schemas.socket import said

router = APIRouter()
log = logging.getLogger("parley.gateway.socket")


@router.websocket("/ws")
async def talk(socket: WebSocket) -> None:
    """One client, from its connection to its end."""
    gateway = given(socket)
    await socket.accept()
    peer = Peer(socket, gateway.blobs)
    try:
        await _served(gateway, peer, _bearer(socket))
    except Ending as ending:
        await peer.say_farewell(ending, None)
    except SchemaError as error:
        await peer.say_farewell(Ending(protocol.CLOSE_PROTOCOL, str(error)), problem_of(error, fatal=True))
    except (NotYours, TokenRefused) as error:
        await peer.say_farewell(Ending(protocol.CLOSE_REFUSED, str(error)), problem_of(error, fatal=True))
    except BusUnavailable as error:
        await peer.say_farewell(Ending(protocol.CLOSE_AGAIN, str(error)), problem_of(error, fatal=True))


async def _served(gateway: Gateway, peer: Peer, bearer: str | None) -> None:
    hello = await peer.hear(gateway.settings.gateway.hello_within_s)
    if not isinstance(hello, said.Hello):
        found = getattr(hello, "type", "a binary frame")
        raise InvalidField("type", found, "'hello': the first message says who you are")
    who = gateway.authenticator.check(hello.token or bearer)
    session = Session(gateway, peer, who, hello)
    with gateway.company.joined(who.user, session):
        await session.run()


def _bearer(socket: WebSocket) -> str | None:
    """The token in the header, from a program; a browser's script cannot set one and says it in `hello`."""
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
