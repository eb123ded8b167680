"""Who is it, and may they: what endpoints ask for as dependencies, and the recognition that comes before them.

    @app.get("/api/turns")
    async def turns(identity: Who) -> ...: ...                      # anybody who is known

    @app.get("/stats", dependencies=[needs(Role.ANALYTICS)])

    @app.get("/api/notes/{user_id}", dependencies=[own_or(Role.ANALYTICS)])   # one's own, or that role

What is also to be on the audit record takes `audited` of pipeline/gateway/auditing.py in place of `own_or`. A socket is
known by its header or, in a browser, by what its hello says: `guard.recognised(websocket, token)`; it must be closed
when `identity.expires_at` has come.

`Recognising` reads the token before the body is read, so that nobody unknown can make the gateway take in an upload.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.settings import Settings
from infra.tokens import Authenticator, Identity, Role, TokenMissing, TokenRefused
from pipeline.gateway.audit import Audit
from pipeline.gateway.limiting import Limits, Standing
from pipeline.gateway.open_sockets import OpenSockets
from pipeline.gateway.refusals import Forbidden
from schemas.ids import UserId, checked_token

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWNER: Final = "user_id"  # the path parameter that names whose things they are
_KNOWN: Final = "parley.known"  # in the scope: the identity, or why there is none

_BEARER: Final = HTTPBearer(auto_error=False, description="A JSON Web Token; `parley token --user NAME` makes one.")


@dataclass(slots=True)
class Guard:
    """What all guards of one gateway share: `app.state.guard`."""

    settings: Settings
    authenticator: Authenticator
    limits: Limits
    sockets: OpenSockets
    audit: Audit | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        """Made from the settings. Raises SettingsError when tokens cannot be checked."""
        gateway = settings.gateway
        return cls(settings, Authenticator(settings), Limits(gateway), OpenSockets(gateway))

    def recognised(self, connection: HTTPConnection, token: str | None = None) -> Identity:
        """Who it is, by `token` (of a socket's hello), or by the header when there is none.

        A hello counts as a request of its user. Raises TokenRefused, TooMany.
        """
        if token is None:
            return known(connection.scope)
        identity = self.authenticator.check(token)
        standing = self.limits.of_user(identity.user)
        if standing is not None and standing.refused:
            raise standing.refusal()
        connection.scope[_KNOWN] = identity
        return identity


def guard_of(connection: HTTPConnection) -> Guard:
    """The guard of the application that a request or a socket came to."""
    guard: Guard = connection.app.state.guard
    return guard


def known(scope: Scope) -> Identity:
    """Who it is. Raises TokenRefused."""
    found: Identity | TokenRefused = scope.get(_KNOWN) or TokenMissing()
    if isinstance(found, TokenRefused):
        raise found
    return found


async def who(request: Request, _: Annotated[Any, Security(_BEARER)]) -> Identity:
    """Dependency: who asks. Raises TokenRefused."""
    return known(request.scope)


Who = Annotated[Identity, Depends(who)]


def needs(role: Role) -> Any:
    """A dependency: only with this role."""

    async def checked(identity: Who) -> Identity:
        require(identity, role)
        return identity

    return Depends(checked)


def own_or(role: Role) -> Any:
    """A dependency of a path with `{user_id}`: its own user, or who has this role."""

    async def checked(request: Request, identity: Who) -> Identity:
        require_own_or(identity, owner_in(request), role)
        return identity

    return Depends(checked)


def owner_in(request: Request) -> UserId:
    """The user whom the path names. Raises InvalidField."""
    return UserId(checked_token(OWNER, request.path_params[OWNER]))


def require(identity: Identity, role: Role) -> None:
    """Raises Forbidden without this role."""
    if not identity.has(role):
        raise Forbidden(f"this needs the role {role}, which the token does not give")


def require_own_or(identity: Identity, owner: str, role: Role) -> None:
    """Raises Forbidden unless it is one's own, or one has this role.

    The role of a user is needed for one's own things: a token for figures only opens nobody's.
    """
    if identity.user == owner and identity.has(Role.USER):
        return
    if not identity.has(role):
        raise Forbidden(f"{owner!r} is somebody else; this needs the role {role}, which the token does not give")


class Recognising:
    """Pure ASGI: reads the token, counts the request of its user, and tells them how they stand.

    Whoever shows no good token may still ask (page and health are for everybody), but send nothing; and open a socket
    without a token, which its hello has to bring.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        standing: Standing | None = None
        try:
            identity = self._guard.authenticator.check(_bearer(scope))
            standing = self._guard.limits.of_user(identity.user)
            if standing is not None and standing.refused:
                raise standing.refusal()
            scope[_KNOWN] = identity
        except TokenRefused as refused:
            scope[_KNOWN] = refused
            sends = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
            if sends or (scope["type"] == "websocket" and not isinstance(refused, TokenMissing)):
                raise  # told by Problems
        await self._app(scope, receive, send if standing is None else _standing_told(send, standing))


def _bearer(scope: Scope) -> str | None:
    """The token of the header; None when there is none. The address line is not looked at: it is written down."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    kind, _, token = values[0].decode("latin-1").strip().partition(" ")
    return token.strip() if kind.lower() == "bearer" and len(values) == 1 else "(not a bearer token)"


def _standing_told(send: Send, standing: Standing) -> Send:
    added = [(name.lower().encode(), value.encode()) for name, value in standing.headers().items()]

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return told
