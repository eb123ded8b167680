"""What endpoints refuse beside what every part of the gateway does, and with which status; see ../refusals.py."""

import re
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from infra.bus.errors import NotAnswered
from infra.event_log.port import QueryRefused, QueryStopped
from pipeline.gateway.refusals import AWAY_RETRY_S, Problem, Refused
from pipeline.state_desk import StateNotAsked
from schemas.turns import TurnFailed

BUSY_RETRY_S: Final = 10  # as the intake gate says it
_WAIT = re.compile(r"try again in (\d+) s")
_STATUS: Final = {"deadline": 504, "stage-failed": 502, "busy": 429, "too-many": 429}  # others: 422


class Gone(Refused):
    """It was there, and is kept no longer."""

    status = 410
    kind = "gone"


class TurnRefused(Refused):
    """A turn was taken and ended without a reply."""

    def __init__(self, end: TurnFailed, turn: str) -> None:
        self.status = _STATUS.get(end.code, 422)
        self.kind = end.code
        wait = _WAIT.search(end.expected or "")
        retry = {"Retry-After": wait[1] if wait else str(BUSY_RETRY_S)} if self.status == 429 else {}
        super().__init__(end.message, retry)
        told = {"turn": turn, "stage": end.stage, "field": end.field, "value": end.value, "expected": end.expected}
        self._told = {name: value for name, value in told.items() if value is not None}

    def problem(self) -> Problem:
        return Problem(self.status, self.kind, self.detail, self.headers, self._told)


async def _late(_: Request, error: Exception) -> Response:
    del error  # who was asked for what is nobody's business outside
    return Problem(504, "too-late", "who was asked for it did not answer in time").response()


async def _away(_: Request, error: Exception) -> Response:
    del error
    detail = "the state or the log cannot be asked now; see `parley status`"
    return Problem(503, "part-away", detail, {"Retry-After": str(AWAY_RETRY_S)}).response()


def install(app: FastAPI) -> None:
    """Tell of these errors too; ../problems.py tells of all others, which include what these are kinds of."""
    handlers: dict[type[Exception], Any] = {NotAnswered: _late, QueryStopped: _late}
    handlers |= {QueryRefused: _away, StateNotAsked: _away}
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
