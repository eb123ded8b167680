"""The size of bodies: starlette counts what is read, here what nobody would read is refused before anything is done.

Starlette looks at a body when the endpoint reads it, or when it answers: too late for a deed that needs no body.
"""

from typing import Final

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.gateway import problems
from pipeline.gateway.refusals import TooLarge

WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # a route of these may allow more than the application


class BodyLimit:
    """Pure ASGI: at most so many bytes, unless the route says otherwise (`max_body_size=`)."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = RequestBodyLimitMiddleware(app, max_body_size=max_bytes)
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in WITH_BODY and _told_bytes(scope) > self._max_bytes:
            await problems.answer(TooLarge(), scope, receive, send)
            return
        await self._app(scope, receive, send)


def _told_bytes(scope: Scope) -> int:
    """How long the body is by its header; 0 when it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
