"""The AsyncAPI document: whole, in order, and true of the events as they travel."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from pipeline import topology
from pipeline.asyncapi import document
from pipeline.intent_desk import Utterance
from pipeline.state_desk import Question
from schemas import catalogue
from schemas.subjects import PARTITIONS, parse_subject

QUESTIONS = {"LogQuestion", "StateQuestion", "IntentQuestion"}
GOLDEN = sorted((Path(__file__).parents[1] / "schemas" / "golden").rglob("*.json"))


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The document as another program reads it."""
    read: dict[str, Any] = json.loads(json.dumps(document()))
    return read


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from nodes(each)


def at(tree: Any, ref: str) -> Any:
    assert ref.startswith("#/")
    for step in ref[2:].split("/"):
        tree = tree[step]
    return tree


def test_it_has_the_shape_of_asyncapi_3(told: dict[str, Any]) -> None:
    with_path = {name: {"pathname": "/", **server} for name, server in told["servers"].items()}  # optional in AsyncAPI
    read = ApplicationSchema.model_validate({**told, "servers": with_path})

    assert (told["asyncapi"], told["info"]["title"]) == ("3.0.0", "Parley")
    assert set(told) <= {
        *("asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components")
    }
    assert read.servers is not None
    for channel in told["channels"].values():
        named = {part.strip("{}") for part in channel["address"].split(".") if part.startswith("{")}
        assert named == set(channel.get("parameters", {}))
        assert channel["messages"]
    for operation in told["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_whatever_it_points_to_is_there(told: dict[str, Any]) -> None:
    refs = [node["$ref"] for node in nodes(told) if "$ref" in node]

    assert len(refs) > 200
    for ref in refs:
        assert at(told, ref)


def test_every_event_is_in_it_on_its_own_subject(told: dict[str, Any]) -> None:
    assert set(catalogue.BY_NAME) <= set(told["components"]["messages"])
    channels = {
        name: channel for name, channel in told["channels"].items() if channel["address"].startswith("parley.v1")
    }
    on = {message: channel["address"] for channel in channels.values() for message in channel["messages"]}
    assert set(on) == set(catalogue.BY_NAME)
    for path in GOLDEN:
        event = catalogue.decode(path.read_bytes().strip())
        parts = parse_subject(event.subject)
        shown = on[path.stem].replace("{tenant}", parts.tenant).replace("{run}", parts.run)
        shown = shown.replace("{conversation}", parts.conversation).replace("{turn}", parts.turn)
        assert shown.replace("{pp}", event.subject.split(".")[4]) == event.subject
    assert PARTITIONS == 256  # as the description of {pp} says: one byte


def test_who_hears_and_says_what_is_as_the_topology_has_it(told: dict[str, Any]) -> None:
    for part in topology.parts():
        done = [each for each in told["operations"].values() if each["tags"] == [{"name": part.name}]]
        said = {ref["$ref"].rpartition("/")[2] for each in done if each["action"] == "send" for ref in each["messages"]}
        assert said == set(part.says)
        if part.name != topology.LOGGER:
            heard = {
                m["$ref"].rpartition("/")[2] for each in done if each["action"] == "receive" for m in each["messages"]
            }
            assert heard - QUESTIONS == set(part.hears)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_event_is_as_its_schema_says(told: dict[str, Any], path: Path) -> None:
    payload = at(told, f"#/components/messages/{path.stem}/payload")
    event = json.loads(path.read_bytes())
    validator = jsonschema.Draft7Validator({**told, **payload, "$schema": "http://json-schema.org/draft-07/schema#"})

    def wrong(tree: Any) -> list[str]:
        # A draft-7 reference hides its neighbours, so the document around it only serves to resolve it.
        return [error.message for error in validator.iter_errors(tree)]

    jsonschema.Draft7Validator.check_schema(at(told, payload["$ref"]))
    assert wrong(event) == []
    assert wrong({**event, "meta": {**event["meta"], "type": "Another"}})
    assert wrong({**event, "meta": {**event["meta"], "turn": "not-a-uuid"}})
    assert wrong({**event, "meta": {**event["meta"], "user": "a.b"}})
    assert wrong({"meta": event["meta"]})


def test_questions_are_told_as_they_are_asked(told: dict[str, Any]) -> None:
    asked = {"tenant": "local", "user": "ann", "limit": 5}
    page = Question.model_validate(asked)
    questions = {
        "StateQuestion": {"what": "notes", "question": page.model_dump(mode="json")},
        "IntentQuestion": Utterance(text="hello", time_zone="UTC").model_dump(mode="json"),
    }
    for name, question in questions.items():
        schema = at(told, f"#/components/schemas/{name}")
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        assert list(validator.iter_errors(question)) == []
        assert list(validator.iter_errors({}))
    replies = {each["reply"]["channel"]["$ref"] for each in told["operations"].values() if "reply" in each}
    assert replies == {"#/channels/log.ask", "#/channels/state.ask", "#/channels/intent.ask"}


def test_it_is_the_same_each_time() -> None:
    assert json.dumps(document()) == json.dumps(document())
