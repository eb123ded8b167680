"""The socket's document: whole, and true of what travels there."""

import json
from typing import Any

import jsonschema
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from pipeline.gateway.socket.asyncapi import document
from pipeline.gateway.socket.telling import message_of
from schemas import catalogue
from schemas import socket as protocol
from schemas.socket import said, told
from tests.pipeline.gateway.socket.events import UNTOLD, golden


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(document()))
    return read


def test_it_has_the_shape_of_asyncapi_3(written: dict[str, Any]) -> None:
    with_path = {name: {"pathname": "/ws", **server} for name, server in written["servers"].items()}

    assert ApplicationSchema.model_validate({**written, "servers": with_path}).channels is not None
    assert written["info"]["version"] == protocol.VERSION


def test_all_that_can_be_said_and_told_is_in_it_by_the_name_on_the_wire(written: dict[str, Any]) -> None:
    names = {message["name"] for message in written["components"]["messages"].values()}

    assert {"hello", "say", "microphone", "close", "interrupt", "played", "feedback", "ping"} < names
    assert {
        "welcome",
        "caught-up",
        "accepted",
        "listening",
        "partial",
        "audio",
        "ended",
        "cut-short",
        "problem",
    } < names
    assert {said.SAID.validate_python({"type": "ping"}).type, told.Pong(id="").type} < names
    for operation in written["operations"].values():
        for message in operation["messages"]:
            assert message["$ref"].rpartition("/")[2] in written["components"]["messages"]


@pytest.mark.parametrize("name", sorted(set(catalogue.BY_NAME) - UNTOLD))
def test_what_is_told_of_each_event_fits_its_schema(written: dict[str, Any], name: str) -> None:
    message = message_of(golden(name), 5)
    assert message is not None

    schema = {"$ref": f"#/components/schemas/{type(message).__name__}", "components": written["components"]}
    jsonschema.validate(json.loads(message.model_dump_json()), schema)
