"""What is not in order, as a message on the socket; HTTP says the same things in pipeline/gateway/problems.py."""

from typing import Final

from infra.bus.errors import BusFull, BusUnavailable
from infra.tokens import TokenRefused
from schemas.errors import InvalidField, SchemaError
from schemas.socket.told import Problem

BUSY_RETRY_S: Final = 10.0
AWAY_RETRY_S: Final = 2.0


class NotYours(Exception):
    """There is no such turn or conversation, or it is another user's: which of both is told to nobody."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is none of this user's turns or conversations")


def problem_of(error: Exception, turn: str | None = None, *, fatal: bool = False) -> Problem:
    """The message for an error; one that is not foreseen is told without its text."""
    match error:
        case InvalidField():
            return Problem(
                problem="/problems/invalid",
                title="A field holds a value that is not allowed",
                status=422,
                detail=str(error),
                field=error.field,
                value=error.value,
                expected=error.expected,
                turn=turn,
                fatal=fatal,
            )
        case SchemaError():
            kind, title, status, retry_s = "invalid", "The message is not allowed", 422, None
        case BusFull():
            kind, title, status, retry_s = "busy", "Parley is busy: nothing was accepted", 503, BUSY_RETRY_S
        case BusUnavailable():
            kind, title, status, retry_s = "unavailable", "The message bus cannot be reached", 503, AWAY_RETRY_S
        case TokenRefused():
            kind, title, status, retry_s = "unauthorized", "Who you are is not known", 401, None
        case NotYours():
            kind, title, status, retry_s = "not-found", "No such turn or conversation", 404, None
        case _:
            return Problem(
                problem="/problems/internal",
                title="Something went wrong",
                status=500,
                detail="",
                turn=turn,
                fatal=fatal,
            )
    return Problem(
        problem=f"/problems/{kind}",
        title=title,
        status=status,
        detail=str(error),
        turn=turn,
        retry_after_s=retry_s,
        fatal=fatal,
    )
