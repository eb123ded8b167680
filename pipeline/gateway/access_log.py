"""One line in the log for each request and each socket that was let as far as this, without anything that was said.

    127.0.0.1 POST /api/chat/respond 200 812 ms
    127.0.0.1 socket /ws closed 1000 after 63.2 s

No address line with its query, no header, no body, no user (that is what the audit record is for). A path that is no
route is shown without whatever looks like more than a word or an id.
"""

import logging
import re
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.gateway.limiting import address_of

PATH_MAX_CHARS: Final = 120
_PLAIN = re.compile(r"[A-Za-z0-9_-]{0,36}(\.[a-z0-9]{1,5})?")  # a word, an id, a file

log = logging.getLogger("parley.gateway.access")


class AccessLog:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        ended = "broken off"  # an answer that never began

        async def heard() -> Message:
            nonlocal ended
            message = await receive()
            if message["type"] == "websocket.disconnect" and not ended.startswith("refused"):
                ended = f"closed {message.get('code', 1005)}"
            return message

        async def watched(message: Message) -> None:
            nonlocal ended
            match message["type"]:
                case "http.response.start":
                    ended = str(message["status"])
                case "websocket.http.response.start":
                    ended = f"refused {message['status']}"
                case "websocket.close":
                    ended = f"closed {message.get('code', 1000)}"
            await send(message)

        try:
            await self._app(scope, heard, watched)
        finally:
            took_s = time.monotonic() - began_s
            source, at = address_of(scope), shown_path(scope)
            if scope["type"] == "http":
                log.info("%s %s %s %s %.0f ms", source, _method(scope), at, ended, took_s * 1e3)
            else:
                log.info("%s socket %s %s after %.1f s", source, at, ended, took_s)


def shown_path(scope: Scope) -> str:
    """The route's template, such as /api/chat/history/{user_id}; of what is no route, what is safe to show."""
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        return template
    parts = [part if _PLAIN.fullmatch(part) else "…" for part in scope["path"][:1_000].split("/")]
    return "/".join(parts)[:PATH_MAX_CHARS]


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if re.fullmatch("[A-Z]{1,10}", method) else "?"
