"""What the gateway refuses with, and how each error is told: problem details (RFC 9457, application/problem+json).

An endpoint just raises: InvalidField, BusFull, NoEnd, HTTPException, one of Refused. `responses(401, 422)` is what it
says of its refusals in the OpenAPI document. Who answers with them is pipeline/gateway/problems.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import pydantic
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from infra.blobs.port import BlobError, BlobMissing
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import new_id
from infra.engines.port import EngineError
from infra.event_log.port import EventLogError
from infra.state.errors import StateError
from infra.tokens import TokenMissing, TokenRefused
from pipeline.front_end import NoEnd
from schemas.errors import InvalidField, NewerSchema, SchemaError, shown
from schemas.refusals import expected_by, refused_field

MEDIA_TYPE: Final = "application/problem+json"
KIND: Final = "urn:parley:problem:"  # how the `type` of Parley's own problems begins
ERRORS_MAX: Final = 20  # of one request that are told
BUSY_RETRY_S: Final = 5
AWAY_RETRY_S: Final = 2


class Refused(Exception):
    """The gateway's own refusals: a status, a kind and a sentence for the caller."""

    status = 400
    kind = "refused"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.detail = detail
        self.headers = headers or {}
        super().__init__(detail)

    def problem(self) -> "Problem":
        """How it is told."""
        return Problem(self.status, self.kind, self.detail, self.headers)


class Forbidden(Refused):
    """Whoever it is may not do this."""

    status = 403
    kind = "forbidden"


class NotFound(Refused):
    """It is not there; also said of what is there and may not be seen, so that nobody learns that it is."""

    status = 404
    kind = "not-found"


def no_such_turn() -> NotFound:
    """Of a turn that is not there, has not begun, or is somebody else's."""
    return NotFound("there is no such turn, or it has not begun, or it is not yours")


def no_such_conversation() -> NotFound:
    """Of a conversation that is somebody else's."""
    return NotFound("there is no such conversation of yours")


class TooLarge(Refused):
    """A body beyond its limit."""

    status = 413
    kind = "too-large"

    def __init__(self) -> None:
        limits = "gateway.body_max_mb, for recordings gateway.upload_max_mb"
        super().__init__(f"the body is larger than is taken here ({limits})", {"Connection": "close"})


class TooMany(Refused):
    """A limit on how much one may take is reached; it may be tried again after `retry_s`."""

    status = 429
    kind = "too-many"

    def __init__(self, detail: str, retry_s: int, headers: Mapping[str, str] | None = None) -> None:
        self.retry_s = retry_s
        super().__init__(detail, {**(headers or {}), "Retry-After": str(retry_s)})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told of an error."""

    status: int
    kind: str | None  # None: no more than its status says
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def response(self) -> Response:
        """The answer; its `instance` is an id that is never used again."""
        content = {
            "type": f"{KIND}{self.kind}" if self.kind else "about:blank",
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{new_id()}",
            **self.members,
        }
        return JSONResponse(content, self.status, dict(self.headers), MEDIA_TYPE)


class ProblemDetails(BaseModel):
    """The shape of every refusal."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    field: str | None = None  # what was wrong, with its value and what would be right
    value: str | None = None
    expected: str | None = None
    errors: list[dict[str, str]] | None = None  # field, value and expected of each, when there are several


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an endpoint may refuse with, for its `responses=`."""
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    return {status: {"description": title(status), "content": content} for status in statuses}


def title(status: int) -> str:
    """The standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_of(error: Exception) -> Problem | None:
    """What is told of an error that was to be expected; None of any other."""
    match error:
        case Refused():
            return error.problem()
        case TokenRefused():
            return _unknown(error)
        case InvalidField() | NewerSchema():
            told = {"field": error.field, "value": error.value, "expected": error.expected}
            return Problem(422, "invalid-field", str(error), members=told)
        case SchemaError():
            return Problem(422, "invalid", str(error))
        case RequestValidationError() | WebSocketRequestValidationError():
            return _invalid(error.errors())
        case pydantic.ValidationError():  # of the schemas; any other is no fault of the caller
            cause = refused_field(error)
            return problem_of(cause) if cause is not None else None
        case HTTPException(status_code=TooLarge.status):
            return TooLarge().problem()
        case HTTPException():
            return Problem(error.status_code, None, str(error.detail), error.headers or {})
        case BusFull():
            return Problem(503, "busy", f"busy, nothing was accepted: {error}", {"Retry-After": str(BUSY_RETRY_S)})
        case BusUnavailable():
            return Problem(503, "bus-away", "the bus is away; try again soon", {"Retry-After": str(AWAY_RETRY_S)})
        case NoEnd():
            return Problem(504, "no-end", str(error))
        case BlobMissing():
            return Problem(404, "sound-missing", "this recording is not kept any longer, or never was")
        case StateError() | EventLogError() | BlobError() | EngineError():
            part = next(name for kind, name in _PARTS.items() if isinstance(error, kind))
            return Problem(503, "part-away", f"{part} cannot be used now; see `parley status` and the log")
    return None


_PARTS: Final = {StateError: "the state", EventLogError: "the log", BlobError: "the sound", EngineError: "the engine"}
EXPECTED: Final = (
    *(Refused, TokenRefused, SchemaError, RequestValidationError, WebSocketRequestValidationError),
    *(pydantic.ValidationError, HTTPException, BusFull, BusUnavailable, NoEnd, *_PARTS),
)


def _unknown(error: TokenRefused) -> Problem:
    """With the challenge of RFC 6750, 3: without an error code when nothing was shown at all."""
    reason = "" if isinstance(error, TokenMissing) else ', error="invalid_token"'
    kind = "token-missing" if isinstance(error, TokenMissing) else "token-refused"
    return Problem(401, kind, str(error), {"WWW-Authenticate": f'Bearer realm="parley"{reason}'})


def _invalid(errors: Sequence[Any]) -> Problem:
    told = [
        {
            "field": ".".join(map(str, each["loc"])) or "body",
            "value": "(missing)" if each["type"] == "missing" else _shown(each.get("input")),
            "expected": _expected(each),
        }
        for each in errors[:ERRORS_MAX]
    ]
    first = told[0]
    detail = f"{first['field']}: {first['value']} is not allowed; expected {first['expected']}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, "invalid-request", f"{detail}{more}", members={**first, "errors": told})


def _expected(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "a value"
    if error["type"] == "json_invalid":
        return f"JSON ({error.get('ctx', {}).get('error')})"
    return expected_by(error).removeprefix("Value error, ")


def _shown(value: object) -> str:
    """Never what lies within: it may be large, and nested deeper than it can be shown."""
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str() | bytes() | int() | float() | None:
            return shown(value)
    return type(value).__name__
