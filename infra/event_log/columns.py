"""Turns a message of the stream into the columns of table `events`. Never refuses one: what cannot be read is kept too.

Knows the events' schemas and the headers that pipeline/ puts on them; knows no database. Every value that it gives
is one that its column can hold, so that no message, however odd, can stop a batch.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

import pydantic_core

from infra.event_log.port import INVALID, Row
from schemas import catalogue
from schemas.errors import InvalidField, NewerSchema, SchemaError
from schemas.event import Event, Fact, Meta
from schemas.subjects import parse_subject

TYPE_HEADER: Final = "ce-type"
STAGE_HEADER: Final = "ce-source"
HOP_HEADER: Final = "Parley-Hop"  # "<queue ms> <work ms> <attempt>", as infra/bus/delivery.py writes it
TRACE_HEADER: Final = "traceparent"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_STAGE = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_ATTEMPT_MAX = 2**31 - 1
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)  # far from the ends of what Python, told a time zone, can add up
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_META_FIELDS = frozenset(Meta.model_fields)


class Columns(NamedTuple):
    """One row of `events` as far as the message decides it, in the order of the staging table."""

    stream_seq: int
    type: str
    payload: str
    id: str | None = None
    tenant: str | None = None
    run: str | None = None
    conversation: str | None = None
    turn: str | None = None
    number: int | None = None
    user: str | None = None
    cause: str | None = None
    stage: str | None = None
    time: datetime | None = None
    deadline: datetime | None = None
    time_zone: str | None = None
    speech: bool | None = None
    schema_version: str | None = None
    queue_ms: float | None = None
    work_ms: float | None = None
    attempt: int | None = None
    traceparent: str | None = None
    rest: str | None = None


def columns_of(row: Row) -> Columns:
    """Read one message; as INVALID, with the reason and the bytes, when it is no event of this Parley's."""
    try:
        return _event(row, catalogue.decode(row.payload, row.headers.get(TYPE_HEADER)))
    except (SchemaError, ValueError) as refused:
        return _invalid(row, refused)


def columns_of_event(stream_seq: int, headers: Mapping[str, str], payload: bytes) -> Columns:
    """Read one message that must be an event, wherever it comes from. Raises SchemaError."""
    event = catalogue.decode(payload)
    return _event(Row(stream_seq, event.subject, headers, payload), event)


def _event(row: Row, event: Event[Fact]) -> Columns:
    _refuse_unless_plausible(event, row.subject)
    # The fact is taken from the message and not from the model, which has dropped what a later minor version added.
    tree = pydantic_core.from_json(row.payload)
    told = tree["meta"]
    rest = {} if told.keys() <= _META_FIELDS else {name: told[name] for name in told if name not in _META_FIELDS}
    unread: dict[str, str] = {}
    queue_ms, work_ms, attempt = _hop(row.headers, unread)
    traceparent = _traceparent(row.headers, unread)
    meta = event.meta
    return Columns(  # by place, in the order of the class: by name it takes twice as long
        row.stream_seq,
        meta.type,
        _dumped(tree["fact"]),
        meta.id,
        meta.tenant,
        meta.run,
        meta.conversation,
        meta.turn,
        meta.number,
        meta.user,
        meta.cause,
        meta.stage,
        meta.time,
        meta.deadline,
        meta.time_zone,
        meta.speech,
        meta.schema_version,
        queue_ms,
        work_ms,
        attempt,
        traceparent,
        _dumped({"meta": rest, "headers": unread}) if rest or unread else None,
    )


def _refuse_unless_plausible(event: Event[Fact], subject: str) -> None:
    """Who may publish what is decided by subject: an event that claims another turn or tenant is not believed."""
    own = event.subject
    if own != subject:
        raise InvalidField("subject", subject, f"{own!r}, as the event's meta says")
    _refuse_unless_in_calendar("meta.time", event.meta.time)
    if event.meta.deadline is not None:
        _refuse_unless_in_calendar("meta.deadline", event.meta.deadline)


def _refuse_unless_in_calendar(name: str, moment: datetime) -> None:
    if EARLIEST.year < moment.year < LATEST.year - 1:
        return  # whatever its time zone: comparing two times with zones takes ten times as long
    if not EARLIEST <= moment < LATEST:
        raise InvalidField(name, moment.isoformat(), f"a time from {EARLIEST.year} to {LATEST.year - 1}")


def _invalid(row: Row, refused: Exception) -> Columns:
    wrong: dict[str, object] = {"error": type(refused).__name__, "message": str(refused)}
    if isinstance(refused, InvalidField | NewerSchema):
        wrong |= {"field": refused.field, "value": refused.value, "expected": refused.expected}
    try:
        body = {"text": row.payload.decode()}
    except UnicodeDecodeError:
        body = {"hex": row.payload.hex()}
    headers = {_printable(name): _printable(value) for name, value in row.headers.items()}
    payload = {**wrong, "subject": _printable(row.subject), "headers": headers, **body}
    unread: dict[str, str] = {}  # not kept apart: all headers stand in the payload
    queue_ms, work_ms, attempt = _hop(row.headers, unread)
    stage = row.headers.get(STAGE_HEADER)
    columns = Columns(
        stream_seq=row.stream_seq,
        type=INVALID,
        payload=json.dumps(payload),
        stage=stage if stage and _STAGE.match(stage) else None,
        queue_ms=queue_ms,
        work_ms=work_ms,
        attempt=attempt,
        traceparent=_traceparent(row.headers, unread),
    )
    try:
        at = parse_subject(row.subject)
    except SchemaError:
        return columns
    return columns._replace(tenant=at.tenant, run=at.run, conversation=at.conversation, turn=at.turn)


def _hop(headers: Mapping[str, str], unread: dict[str, str]) -> tuple[float | None, float | None, int | None]:
    """Queue time, work time and attempt of the hop; NULLs without the header. One that is none is kept in `unread`."""
    text = headers.get(HOP_HEADER)
    if text is None:
        return None, None, None
    parts = text.split(" ")
    if len(parts) == 3:
        queue_ms, work_ms, attempt = _milliseconds(parts[0]), _milliseconds(parts[1]), _attempt(parts[2])
        if queue_ms is not None and work_ms is not None and attempt is not None:
            return queue_ms, work_ms, attempt
    unread[HOP_HEADER] = _printable(text)
    return None, None, None


def _milliseconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _attempt(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _ATTEMPT_MAX:
        return int(text)
    return None


def _traceparent(headers: Mapping[str, str], unread: dict[str, str]) -> str | None:
    text = headers.get(TRACE_HEADER)
    if text is None or _TRACEPARENT.match(text):
        return text
    unread[TRACE_HEADER] = _printable(text)
    return None


def _dumped(tree: object) -> str:
    """JSON that any reader accepts: what has no number in JSON (NaN, infinity) becomes null."""
    return pydantic_core.to_json(tree, inf_nan_mode="null").decode()


def _printable(text: str) -> str:
    """Text that is Unicode for certain: headers may hold bytes that are not."""
    return text.encode(errors="backslashreplace").decode()
