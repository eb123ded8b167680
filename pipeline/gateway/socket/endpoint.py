"""`WS /ws`: from the first byte to `hello`. Who passes becomes a session; who does not is told why."""

from typing import Any

from fastapi import APIRouter, WebSocket

from infra.bus.errors import BusUnavailable
from infra.settings import checked_zone
from infra.tokens import Role, TokenRefused
from pipeline.gateway.given import Gateway, given
from pipeline.gateway.guarding import guard_of, require
from pipeline.gateway.limiting import address_of
from pipeline.gateway.open_sockets import Place
from pipeline.gateway.refusals import Refused
from pipeline.gateway.socket import asyncapi
from pipeline.gateway.socket.peer import Ending, Peer
from pipeline.gateway.socket.problems import problem_of
from pipeline.gateway.socket.session import Session
from schemas import socket as protocol
from schemas.errors import InvalidField, SchemaError
from schemas.socket import said

router = APIRouter()


@router.get("/asyncapi.json", include_in_schema=False)
async def protocol_document() -> dict[str, Any]:
    """What can be said and heard on the socket."""
    return asyncapi.document()


@router.websocket("/ws")
async def talk(socket: WebSocket) -> None:
    """One client, from its connection to its end."""
    gateway = given(socket)
    async with guard_of(socket).sockets.opened(address_of(socket.scope)) as place:
        await socket.accept()
        peer = Peer(socket, gateway.blobs)
        try:
            await _served(gateway, socket, peer, place)
        except Ending as ending:
            await peer.say_farewell(ending, None)
        except SchemaError as error:
            await peer.say_farewell(Ending(protocol.CLOSE_PROTOCOL, str(error)), problem_of(error, fatal=True))
        except (Refused, TokenRefused) as error:
            await peer.say_farewell(Ending(protocol.CLOSE_REFUSED, str(error)), problem_of(error, fatal=True))
        except BusUnavailable as error:
            await peer.say_farewell(Ending(protocol.CLOSE_AGAIN, str(error)), problem_of(error, fatal=True))


async def _served(gateway: Gateway, socket: WebSocket, peer: Peer, place: Place) -> None:
    hello = await peer.hear(gateway.settings.gateway.hello_within_s)
    if not isinstance(hello, said.Hello):
        found = getattr(hello, "type", "a binary frame")
        raise InvalidField("type", found, "'hello': the first message says who you are")
    who = guard_of(socket).recognised(socket, hello.token)
    require(who, Role.USER)
    if hello.time_zone is not None:
        checked_zone("hello.time_zone", hello.time_zone)
    place.belongs_to(who.user)
    session = Session(gateway, guard_of(socket).limits, peer, who, hello)
    with gateway.company.joined(who.user, session):
        await session.run()
