"""What is not in order, as a message on the socket: the same words as over HTTP (pipeline/gateway/refusals.py)."""

from typing import Final

from infra.listening.listener import ListeningFailed
from infra.weights import WeightsMissing
from pipeline.gateway import refusals
from pipeline.gateway.refusals import KIND, title
from schemas.socket import told

DEAF: Final = "the listener cannot be used now; type instead, and see the gateway's log"


def problem_of(error: Exception, turn: str | None = None, *, fatal: bool = False) -> told.Problem:
    """The message for an error; one that nobody expected is told without its text."""
    problem = refusals.problem_of(error)
    if problem is None:
        known = isinstance(error, ListeningFailed | WeightsMissing)
        kind, detail = ("part-away", DEAF) if known else ("unexpected", "something went wrong within; it is in the log")
        problem = refusals.Problem(503 if known else 500, kind, detail)
    retry = problem.headers.get("Retry-After")
    return told.Problem(
        problem=f"{KIND}{problem.kind}" if problem.kind else "about:blank",
        title=title(problem.status),
        status=problem.status,
        detail=problem.detail,
        field=problem.members.get("field"),
        value=problem.members.get("value"),
        expected=problem.members.get("expected"),
        turn=turn,
        retry_after_s=float(retry) if retry else None,
        fatal=fatal,
    )
