"""The log as lines of JSON, as it is dumped and taken in again: one message a line, with all that the log knows of it.

    {"dump": 1, "stream": "PARLEY_EVENTS", "created": "…", "seq": 12, "recorded_at": "…",
     "headers": {"Parley-Hop": "1.5 20.25 1", "traceparent": "00-…"}, "event": {"meta": {…}, "fact": {…}}}

`created` is when the stream was made, which tells streams of one name apart; `Parley-Hop` is queue time and work time
in ms, and the attempt. A message that was no event has `raw` in place of `event`: its subject, and its bytes as text or
hex. Knows no database.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Self

import pydantic_core
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from infra.event_log.columns import EARLIEST, HOP_HEADER, LATEST, TRACE_HEADER, Columns, columns_of, columns_of_event
from infra.event_log.port import IMPORTED, INVALID, Json, Row, StreamIdentity
from schemas.catalogue import checked
from schemas.errors import InvalidField, SchemaError
from schemas.event import Event, Fact, Meta, Token
from schemas.upgrades import upgraded

VERSION: Final = 1  # of the line; that of the event stands in its meta
LINE_MAX_BYTES: Final = 900_000  # the bus carries 1 MiB a message

_META: Final = tuple(name for name in Meta.model_fields)
_QUOTED: Final = ", ".join(f'e."{name}"' for name in _META)
PAGE_SQL: Final = f"""
SELECT * EXCLUDE (chars_before) FROM (
    SELECT
        e.log_seq, s.name AS stream, s.created, e.stream_seq, e.recorded_at, {_QUOTED},
        e.queue_ms, e.work_ms, e.attempt, e.traceparent, e.payload::VARCHAR AS payload, e.rest::VARCHAR AS rest,
        sum(strlen(e.payload::VARCHAR)) OVER (ORDER BY e.log_seq) - strlen(e.payload::VARCHAR) AS chars_before
    FROM (
        FROM events WHERE log_seq > $after AND log_seq <= $until
        AND ($run::VARCHAR IS NULL OR run = $run::VARCHAR)
        AND ($conversation::UUID IS NULL OR conversation = $conversation::UUID)
        AND ($from::TIMESTAMPTZ IS NULL OR coalesce(time, recorded_at) >= $from::TIMESTAMPTZ)
        AND ($to::TIMESTAMPTZ IS NULL OR coalesce(time, recorded_at) < $to::TIMESTAMPTZ)
        ORDER BY log_seq LIMIT $page_rows
    ) AS e JOIN streams AS s USING (stream)
) WHERE chars_before < $page_chars ORDER BY log_seq"""
"""A page of the log from `log_seq` $after (left out) to $until; fewer rows than there are when they are long."""
EXTENT_SQL: Final = "SELECT coalesce(min(log_seq), 1) - 1 AS before, coalesce(max(log_seq), 0) AS last FROM events"


class LineRefused(SchemaError):
    """A line of a file is nothing that the log takes in; says where it stands and what is wrong with it."""

    def __init__(self, place: str, why: Exception | str) -> None:
        self.why = str(why)
        super().__init__(f"{place}: {why}")


@dataclass(frozen=True, slots=True)
class Imported:
    """One line, read."""

    stream: StreamIdentity  # the one in which the message was
    recorded_at: datetime
    columns: Columns


# Writing


def line_of_event(place: StreamIdentity, seq: int, event: Event[Fact], headers: Mapping[str, str], at: datetime) -> str:
    """The line of an event that stood in no stream, recorded at `at` as the `seq`-th of one that is named for it."""
    head: dict[str, Json] = {"dump": VERSION, "stream": place.name, "created": place.created.isoformat(), "seq": seq}
    told = _dumped(head | {"recorded_at": at.isoformat(), "headers": dict(headers)})
    return f'{told[:-1]},"event":{event.encoded().decode()}}}'


def line_of(row: Mapping[str, Json]) -> str:
    """The line of one row of PAGE_SQL, without a line break."""
    head: dict[str, Json] = {
        "dump": VERSION,
        "stream": str(row["stream"]).removeprefix(IMPORTED),
        "created": row["created"],
    }
    head |= {"seq": row["stream_seq"], "recorded_at": row["recorded_at"]}
    payload = str(row["payload"])
    if row["type"] == INVALID:
        told = pydantic_core.from_json(payload)
        raw = {name: told[name] for name in ("subject", "text", "hex") if name in told}
        return _dumped(head | {"headers": told["headers"], "raw": raw})
    rest = pydantic_core.from_json(str(row["rest"] or "{}"))
    meta = {name: row[name] for name in _META} | rest.get("meta", {})
    headers = _hop_of(row) | rest.get("headers", {})
    # The fact goes from text to text: what JSON can say and Python cannot stays as it is.
    return f'{_dumped(head | {"headers": headers})[:-1]},"event":{{"meta":{_dumped(meta)},"fact":{payload}}}}}'


def _hop_of(row: Mapping[str, Json]) -> dict[str, str]:
    headers: dict[str, str] = {}
    if row["attempt"] is not None:
        headers[HOP_HEADER] = f"{row['queue_ms']} {row['work_ms']} {row['attempt']}"
    if row["traceparent"] is not None:
        headers[TRACE_HEADER] = str(row["traceparent"])
    return headers


def _dumped(tree: Mapping[str, Any]) -> str:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


# Reading


def _plausible(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise InvalidField("time", moment.isoformat(), f"a time from {EARLIEST.year} to {LATEST.year - 1}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]


class _Raw(BaseModel):
    """A message that was no event."""

    model_config = ConfigDict(extra="forbid")

    subject: str
    text: str | None = None
    hex: str | None = Field(default=None, pattern=r"^([0-9a-f]{2})*$")

    @property
    def payload(self) -> bytes:
        return self.text.encode(errors="replace") if self.text is not None else bytes.fromhex(self.hex or "")


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dump: int
    stream: Token
    created: Moment
    seq: int = Field(ge=1, lt=2**63)
    recorded_at: Moment
    headers: dict[str, str] = {}
    event: dict[str, Any] | None = None
    raw: _Raw | None = None

    @model_validator(mode="after")
    def _one_message(self) -> Self:
        if (self.event is None) == (self.raw is None):
            raise InvalidField("event", "both" if self.event else "neither", "either event or raw")
        return self


class _Version(BaseModel):
    dump: int


def imported(line: bytes) -> Imported:
    """Read one line; an older event is upgraded. Raises InvalidField, NewerSchema."""
    if len(line) > LINE_MAX_BYTES:
        raise InvalidField("line", f"{len(line)} bytes", f"at most {LINE_MAX_BYTES} bytes")
    version = checked(_Version, line).dump
    if version != VERSION:
        raise InvalidField("dump", version, f"{VERSION}: a newer Parley has written this file")
    read = checked(_Line, line)
    stream = StreamIdentity(read.stream, read.created)
    if read.raw is not None:
        row = Row(read.seq, read.raw.subject, read.headers, read.raw.payload)
        return Imported(stream, read.recorded_at, columns_of(row))
    payload = pydantic_core.to_json(upgraded(read.event or {}))
    return Imported(stream, read.recorded_at, columns_of_event(read.seq, read.headers, payload))
