"""The socket's protocol as an AsyncAPI 3.0 document, made from schemas/socket: for whoever writes a client."""

import inspect
from typing import Any, Final, get_args

from pydantic.json_schema import models_json_schema

from schemas import socket as protocol
from schemas.event import Frozen
from schemas.socket import said, told

Tree = dict[str, Any]

_SOUND: Final = {
    "MicrophoneFrame": "After `microphone`: PCM s16le mono at its rate, a frame of 20 to 40 ms; at most a second.",
    "SentenceFrame": "Right after an `audio` message with size_bytes above 0: the sentence as a WAV file.",
}
_CLOSES: Final = {
    protocol.CLOSE_PROTOCOL: "what was said is none of this protocol, or nothing was said in time",
    protocol.CLOSE_REFUSED: "no good token, a foreign conversation, too many sockets, or the token has expired",
    protocol.CLOSE_TOO_BIG: "a frame beyond gateway.frame_max_kb",
    protocol.CLOSE_SLOW: "the client does not read; say hello again with `after`",
    protocol.CLOSE_AGAIN: "the gateway ends, or the bus is away; say hello again with `after`",
}
_CHANNEL: Final = "#/channels/socket"


def document() -> Tree:
    """The whole document, the same for the same code."""
    heard, says = _kinds(said.Said), _kinds(told.Told)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:parley:socket:v1",
        "info": {"title": "Parley's socket", "version": protocol.VERSION, "description": _description()},
        "defaultContentType": "application/json",
        "servers": {"gateway": {"host": "127.0.0.1:8080", "protocol": "ws", "description": "See `parley up`."}},
        "channels": {
            "socket": {
                "address": "/ws",
                "servers": [{"$ref": "#/servers/gateway"}],
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*heard, *says, *_SOUND)},
            }
        },
        "operations": {
            "hear": _operation("receive", [*heard, "MicrophoneFrame"]),
            "tell": _operation("send", [*says, "SentenceFrame"]),
        },
        "components": {
            "messages": {name: _message(name, kind) for name, kind in {**heard, **says}.items()} | _frames(),
            "schemas": _schemas([*heard.values(), *says.values()]),
        },
    }


def _description() -> str:
    text = inspect.cleandoc(protocol.__doc__ or "")
    closes = "\n".join(f"- {code}: {why}" for code, why in _CLOSES.items())
    return f"{text}\n\nThe gateway closes the socket with:\n{closes}\n"


def _kinds(union: Any) -> dict[str, type[Frozen]]:
    """The members of an annotated union, by their class's name."""
    found: list[Any] = []
    waiting = [get_args(union)[0]]
    while waiting:
        each = waiting.pop(0)
        if members := get_args(each):
            waiting = [*members, *waiting]
        else:
            found.append(each)
    return {kind.__name__: kind for kind in found}


def _operation(action: str, names: list[str]) -> Tree:
    messages = [{"$ref": f"{_CHANNEL}/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": _CHANNEL}, "messages": messages}


def _message(name: str, kind: type[Frozen]) -> Tree:
    return {
        "name": str(kind.model_fields["type"].default),
        "title": name,
        "summary": " ".join((kind.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _frames() -> Tree:
    payload = {"type": "string", "format": "binary"}
    return {
        name: {"name": name, "summary": summary, "contentType": "application/octet-stream", "payload": payload}
        for name, summary in _SOUND.items()
    }


def _schemas(kinds: list[type[Frozen]]) -> Tree:
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/components/schemas/{model}"
    )
    for schema in schemas["$defs"].values():
        if (named := schema.get("properties", {}).get("type")) and "const" in named:
            schema["required"] = sorted({*schema.get("required", ()), "type"})
    return dict(sorted(schemas["$defs"].items()))
