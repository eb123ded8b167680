"""Parley as an AsyncAPI 3.0 document, made from the code: what may be published where, and what may be heard.

Each channel is a subject; each message an event of the catalogue, whose schema is that of its class. Each operation is
what one participant does (its tag), since Parley is several applications on one bus.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from infra.bus import delivery, parcels
from infra.event_log.port import Table
from pipeline import asyncapi_questions, topology
from pipeline.logging_stage import ASK_SUBJECT
from schemas import catalogue, ids, subjects
from schemas.event import PAYLOAD_MAX_BYTES, Event, Fact

ASYNCAPI: Final = "3.0.0"
Tree = dict[str, Any]

_DESCRIPTION: Final = f"""A voice assistant made of independent workers on NATS JetStream.

A front-end publishes TextSubmitted or AudioSubmitted and hears the turn's own events until one arrives on TurnEnded.
An event is JSON, {{"meta": …, "fact": …}}, of at most {PAYLOAD_MAX_BYTES} bytes; its subject is made of its meta.
A submission is accepted when the stream has acknowledged it, so publish it with JetStream; the same turn's id again
counts for nothing. Of its meta it needs id, type, conversation, turn, user and time.
Sound is never inside an event: put the bytes into the blob store first (the object store `parley_blobs`, named by their
SHA-256, when `blobs: nats` is set; else a file DATA/blobs/<first two digits>/<SHA-256 in hex> on the same host).
Fields that a later minor version of the schemas adds are ignored; another major version is refused."""

_PARAMETERS: Final[dict[str, str]] = {
    "tenant": f"Whose Parley; {ids.DEFAULT_TENANT} unless configured. {ids.TOKEN_PATTERN}",
    "run": f"{ids.LIVE_RUN} for what people say now; a replay has a name of its own. {ids.TOKEN_PATTERN}",
    "pp": "The conversation's partition: its first byte of BLAKE2b with a digest of one byte, as two hex digits.",
    "conversation": f"A UUIDv7 in lower case. {ids.UUID7_PATTERN}",
    "turn": f"A UUIDv7 in lower case. {ids.UUID7_PATTERN}",
}
_HEADERS: Final[dict[str, str]] = {
    "Nats-Msg-Id": "The event's id: the bus drops a copy that comes soon after.",
    delivery.TYPE: "The event's type, as in its meta (CloudEvents).",
    delivery.STAGE: "Who said it (CloudEvents).",
    delivery.HOP: "How long its cause had waited for whoever said it (ms), the work (ms), and at which try.",
    delivery.DEADLINE: "The turn's deadline in seconds since 1970.",
    delivery.TRACEPARENT: "W3C trace context.",
    "content-type": "application/json",
}
_ASK: Final = "log.ask"


def document() -> Tree:
    """The whole document, the same for the same code."""
    schemas = _schemas()
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:parley:v1",
        "info": {
            "title": "Parley",
            "version": version("parley"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"bus": _server()},
        "channels": {token: _channel(token, facts) for token, facts in _channels().items()}
        | {_ASK: _ask_channel()}
        | asyncapi_questions.channels(),
        "operations": dict(_operations()),
        "components": {
            "messages": {name: _message(name, fact) for name, fact in catalogue.BY_NAME.items()}
            | _ask_messages()
            | asyncapi_questions.messages(),
            "schemas": schemas | {"Headers": _headers()} | _ask_schemas() | asyncapi_questions.schemas(),
            "parameters": {name: {"description": told} for name, told in _PARAMETERS.items()},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "password", "description": "`bus_token` of data/run/parley.json."}
            },
        },
    }


def _server() -> Tree:
    return {
        "host": "{host}",
        "protocol": "nats",
        "description": "The bus of `parley up`; data/run/parley.json has its address, or NATS_URL names another.",
        "variables": {"host": {"default": "127.0.0.1:4222", "description": "Host and port of `bus_url`."}},
        "security": [{"$ref": "#/components/securitySchemes/token"}],
    }


def _channels() -> dict[str, list[type[Fact]]]:
    """Subjects by their last token; the three ends of a turn share one."""
    found: dict[str, list[type[Fact]]] = {}
    for fact in catalogue.BY_NAME.values():
        found.setdefault(fact.token, []).append(fact)
    return found


def _channel(token: str, facts: list[type[Fact]]) -> Tree:
    parameters = "{tenant}.{run}.{pp}.{conversation}.{turn}"
    return {
        "address": f"{subjects.ROOT}.{parameters}.{token}",
        "description": f"Kept by the stream {_stream(facts[0])}.",
        "servers": [{"$ref": "#/servers/bus"}],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS},
        "messages": {fact.__name__: {"$ref": f"#/components/messages/{fact.__name__}"} for fact in facts},
    }


def _stream(fact: type[Fact]) -> str:
    if fact in catalogue.TURN_SUBMISSIONS:
        return subjects.INTAKE_STREAM
    return subjects.REQUEST_STREAM if fact in catalogue.REQUESTS else subjects.EVENT_STREAM


def _operations() -> Iterator[tuple[str, Tree]]:
    for part in topology.parts():
        hears = catalogue.FACTS if part.name == topology.LOGGER else _facts(part.hears)
        for action, verb, facts in (("receive", "hears", hears), ("send", "says", _facts(part.says))):
            for token in dict.fromkeys(fact.token for fact in facts):
                names = [fact.__name__ for fact in facts if fact.token == token]
                yield f"{part.name}.{verb}.{token}", _operation(part.name, action, token, names)
    yield (
        f"{topology.LOGGER}.answers",
        {**_operation(topology.LOGGER, "receive", _ASK, ["LogQuestion"]), **_ask_reply()},
    )
    yield from asyncapi_questions.operations()


def _facts(names: Iterable[str]) -> list[type[Fact]]:
    return [catalogue.BY_NAME[name] for name in names]


def _operation(part: str, action: str, channel: str, messages: Iterable[str]) -> Tree:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
        "tags": [{"name": part}],
    }


def _message(name: str, fact: type[Fact]) -> Tree:
    told = " ".join((fact.__doc__ or "").split())
    return {
        "name": name,
        "title": name,
        "summary": told,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "correlationId": {"description": "The turn's id.", "location": "$message.payload#/meta/turn"},
        "payload": {"$ref": f"#/components/schemas/{name}Event"},
    }


def _schemas() -> Tree:
    """Of all events, and of what they are made of."""
    readers = {name: Event[fact] for name, fact in catalogue.BY_NAME.items()}  # type: ignore[valid-type]  # at run time
    places, told = models_json_schema(
        [(reader, "validation") for reader in readers.values()], ref_template="#/components/schemas/{model}"
    )
    found: Tree = told["$defs"]
    for name, reader in readers.items():
        key = places[reader, "validation"]["$ref"].rpartition("/")[2]
        event = found.pop(key)
        event["title"] = f"{name}Event"
        event["properties"]["meta"] = {
            "allOf": [event["properties"]["meta"], {"properties": {"type": {"const": name}}}],
        }
        found[f"{name}Event"] = event
    return dict(sorted(found.items()))


def _headers() -> Tree:
    properties = {name: {"type": "string", "description": told} for name, told in _HEADERS.items()}
    return {"type": "object", "description": "All optional in what a front-end submits.", "properties": properties}


# Asking the log with SQL, over request and reply


def _ask_channel() -> Tree:
    return {
        "address": ASK_SUBJECT,
        "description": "Core NATS, request and reply: one SELECT over the event log.",
        "servers": [{"$ref": "#/servers/bus"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _ask_messages()},
    }


def _ask_reply() -> Tree:
    reply = {"channel": {"$ref": f"#/channels/{_ASK}"}, "messages": [{"$ref": f"#/channels/{_ASK}/messages/LogAnswer"}]}
    return {"reply": reply}


def _ask_messages() -> Tree:
    told = {"LogQuestion": "One SELECT and its parameters.", "LogAnswer": "Rows, or why there are none."}
    return {
        name: {"name": name, "summary": summary, "payload": {"$ref": f"#/components/schemas/{name}"}}
        for name, summary in told.items()
    }


def _ask_schemas() -> Tree:
    """Written out: the values of a row are whatever JSON holds, and pydantic follows no type that contains itself."""
    names = {"type": "array", "items": {"type": "string"}}
    table = {
        "columns": names,
        "types": {**names, "description": "DuckDB's names of the columns' types."},
        "rows": {"type": "array", "items": {"type": "array"}},
        "truncated": {"type": "boolean", "description": "There were more rows."},
        "took_ms": {"type": "number"},
    }
    table |= {
        "parcel": {
            "type": "string",
            "description": f"Object in bucket {parcels.BUCKET}: the rows, gzipped, one a line.",
        },
        "count": {"type": "integer", "description": "Rows in the parcel."},
        "size_bytes": {"type": "integer", "description": "Of the rows before they were gzipped."},
    }
    question = {
        "sql": {"type": "string"},
        "parameters": {"type": "object"},
        "limit_rows": {"type": "integer"},
        "large": {"type": "boolean", "description": "An answer larger than a message may come as a parcel."},
    }
    told = {"type": "object", "properties": table, "required": [each.name for each in fields(Table)]}
    why = {
        "error": {"type": "string", "description": "What would be right."},
        "stopped": {"type": "boolean", "description": "It took too long, or too much memory."},
    }
    error = {"type": "object", "properties": why, "required": ["error"]}
    return {
        "LogQuestion": {"type": "object", "properties": question, "required": ["sql"]},
        "LogAnswer": {"anyOf": [told, error]},
    }
