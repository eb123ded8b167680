"""From where a page may call: pure ASGI checks of the headers Host and Origin, before anything is done.

On loopback the name must be this machine's own: a page whose name was rebound to 127.0.0.1 gets nothing. A page of
another origin may neither open a socket nor send anything (browsers ask nobody before a plain form is posted), unless
it is one of gateway.cors_origins. Programs send no Origin and are let through: they are known by their token.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from infra.gateway_settings import GatewaySettings, is_loopback
from pipeline.gateway import problems
from pipeline.gateway.guarding import SAFE_METHODS
from pipeline.gateway.refusals import Forbidden, Refused
from schemas.errors import shown

_WEB: Final[dict[str, str]] = {"ws": "http", "wss": "https"}
_PORTS: Final = {"http": 80, "https": 443}


class Misdirected(Refused):
    """The request names a host that is not served here (RFC 9110, 15.5.20)."""

    status = 421
    kind = "misdirected"


class Origins:
    """Refuses what comes by a wrong name or from a wrong page."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        # Behind a proxy the name is the proxy's, and there are tokens.
        self._names = settings.on_loopback and not settings.trusted_proxies
        self._host = settings.host.lower()
        self._allowed = frozenset(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            refused = self._refusal(scope)
            if refused is not None:
                await problems.answer(refused, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refused | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        name = _name_in(host)
        if name is None or (self._names and not is_loopback(name) and name != self._host):
            return Misdirected(f"Host: {shown(host)} is not allowed; expected localhost or the address of this gateway")
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if not origins or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return None
        origin = origins[0].decode("latin-1")
        scheme = _WEB.get(scope["scheme"]) or str(scope["scheme"])
        if len(origins) == 1 and (origin in self._allowed or _same(origin, scheme, host)):
            return None
        return Forbidden(f"Origin: {shown(origin)} is not allowed; expected its own or one of gateway.cors_origins")


def _name_in(host: str) -> str | None:
    """The name or address in a header Host, in small letters; None when it holds none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # which checks it
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _same(origin: str, scheme: str, host: str) -> bool:
    """Whether a page of this origin came from where it calls."""
    try:
        page, here = urlsplit(origin), urlsplit(f"{scheme}://{host}")
        ports = (page.port or _PORTS.get(page.scheme), here.port or _PORTS.get(scheme))
    except ValueError:
        return False
    return page.scheme == scheme and page.hostname == here.hostname and ports[0] == ports[1]
