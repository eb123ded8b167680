"""What browsers are told with every answer: whom to load from, what not to guess, what not to keep. Pure ASGI.

A header that an endpoint has set itself stays: a static file says how long it may be kept, a report how it is drawn.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.gateway_settings import GatewaySettings

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
ALWAYS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ONLY_HTTPS: Final = {"Strict-Transport-Security": "max-age=31536000"}
READABLE: Final = ("Retry-After", "RateLimit", "RateLimit-Policy")  # of answers, by pages of other origins
SENDABLE: Final = ("Authorization", "Content-Type")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class SecurityHeaders:
    """Adds them to what is answered, refusals among it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = {**ALWAYS, **ONLY_HTTPS} if scope["scheme"] == "https" else ALWAYS

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, told)


def other_pages(app: ASGIApp, settings: GatewaySettings) -> ASGIApp:
    """Lets pages of gateway.cors_origins read the answers; without any, no page of another origin can."""
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=METHODS,
        allow_headers=SENDABLE,
        expose_headers=READABLE,
    )
