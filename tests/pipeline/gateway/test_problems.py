"""Every error as problem details, and none that tells what it should not."""

import logging
from typing import TYPE_CHECKING, Any

import jsonschema
import pydantic
import pytest
from fastapi import HTTPException

from infra.blobs.port import BlobMissing
from infra.bus.errors import BusFull, BusUnavailable
from infra.event_log.port import EventLogError
from infra.tokens import TokenExpired
from pipeline.front_end import NoEnd
from pipeline.gateway.refusals import ProblemDetails, TooMany, problem_of
from schemas.errors import InvalidField, SchemaError
from schemas.event import Meta

if TYPE_CHECKING:
    from tests.pipeline.gateway.conftest import Door

SECRET = "what nobody may read"


def told(answer: Any) -> dict[str, Any]:
    """The problem, which has the shape that the document promises."""
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    jsonschema.validate(found, ProblemDetails.model_json_schema())
    assert found["status"] == answer.status_code
    assert found["instance"].startswith("urn:uuid:")
    return found


@pytest.mark.parametrize(
    ("error", "status", "kind", "detail"),
    [
        (InvalidField("text", "", "some words"), 422, "invalid-field", "text: '' is not allowed; expected some words"),
        (SchemaError("no event"), 422, "invalid", "no event"),
        (TooMany("enough", 7), 429, "too-many", "enough"),
        (TokenExpired(), 401, "token-refused", "exp: the token has expired; get a new one"),
        (BusFull("the disk is full"), 503, "busy", "busy, nothing was accepted: the disk is full"),
        (BusUnavailable(f"nats://{SECRET}"), 503, "bus-away", "the bus is away; try again soon"),
        (NoEnd("turn 1 has not ended"), 504, "no-end", "turn 1 has not ended"),
        (EventLogError(SECRET), 503, "part-away", "the log cannot be used now; see `parley status` and the log"),
        (HTTPException(415, "no sound"), 415, None, "no sound"),
        (HTTPException(418), 418, None, "I'm a Teapot"),
        (KeyError(SECRET), 500, "unexpected", "something went wrong within; it is in the log"),
    ],
)
async def test_what_an_endpoint_raises_is_told(
    door: "Door", raised: dict[str, Exception], error: Exception, status: int, kind: str | None, detail: str
) -> None:
    raised["it"] = error

    answer = await door.client.get("/raise/it")

    problem = told(answer)
    assert answer.status_code == status
    assert problem["type"] == (f"urn:parley:problem:{kind}" if kind else "about:blank")
    assert problem["detail"] == detail
    assert SECRET not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_field_is_named_with_its_value_and_what_would_be_right(
    door: "Door", raised: dict[str, Exception]
) -> None:
    raised["it"] = InvalidField("rating", 7, "up or down")

    problem = told(await door.client.get("/raise/it"))

    assert (problem["field"], problem["value"], problem["expected"]) == ("rating", "7", "up or down")


async def test_an_id_that_a_schema_refuses_is_the_callers_mistake_any_other_model_is_ours(
    door: "Door", raised: dict[str, Exception]
) -> None:
    with pytest.raises(pydantic.ValidationError) as of_schema:
        Meta.model_validate({"id": "a", "type": "", "tenant": "a b"})
    with pytest.raises(pydantic.ValidationError) as other:
        pydantic.TypeAdapter(int).validate_python(SECRET)
    raised.update(schema=of_schema.value, other=other.value)

    theirs, ours = await door.client.get("/raise/schema"), await door.client.get("/raise/other")

    assert theirs.status_code == 422
    assert told(theirs)["field"]
    assert ours.status_code == 500
    assert SECRET not in ours.text


@pytest.mark.parametrize(
    ("error", "retry_s"), [(TooMany("x", 7), "7"), (BusFull("x"), "5"), (BusUnavailable("x"), "2")]
)
async def test_it_says_when_to_try_again(
    door: "Door", raised: dict[str, Exception], error: Exception, retry_s: str
) -> None:
    raised["it"] = error

    assert (await door.client.get("/raise/it")).headers["retry-after"] == retry_s


async def test_a_request_of_the_wrong_shape_names_each_field(door: "Door") -> None:
    answer = await door.client.post("/api/say", json={"message": "", "times": "often"}, headers=door.header())

    problem = told(answer)
    assert answer.status_code == 422
    assert problem["errors"] == [
        {"field": "body.message", "value": "''", "expected": "String should have at least 1 character"},
        {
            "field": "body.times",
            "value": "'often'",
            "expected": "a valid integer, unable to parse string as an integer",
        },
    ]
    assert problem["detail"].endswith("(and 1 more)")


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        (b"{}", "body.message", "(missing)"),
        (b"", "body", "(missing)"),
        (b"{", "body.1", "an object"),
        (b"[]", "body", "a list"),
        (b'{"message": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}", "body.message", "an object"),
    ],
)
async def test_json_that_is_none_or_of_another_shape_is_no_error_of_ours(
    door: "Door", content: bytes, field: str, value: str
) -> None:
    headers = {**door.header(), "Content-Type": "application/json"}

    answer = await door.client.post("/api/say", content=content, headers=headers)

    assert answer.status_code == 422
    assert (told(answer)["field"], told(answer)["value"]) == (field, value)


async def test_json_deeper_than_anybody_can_read_is_refused(door: "Door") -> None:
    headers = {**door.header(), "Content-Type": "application/json"}

    answer = await door.client.post("/api/say", content=b"[" * 100_000, headers=headers)

    assert answer.status_code == 400
    assert told(answer)["title"] == "Bad Request"


async def test_what_is_not_there_and_what_cannot_be_done_with_it(door: "Door") -> None:
    missing, wrong = await door.client.get("/nowhere"), await door.client.put("/health", headers=door.header())

    assert (told(missing)["title"], missing.status_code) == ("Not Found", 404)
    assert (told(wrong)["title"], wrong.status_code) == ("Method Not Allowed", 405)
    assert wrong.headers["allow"] == "GET"


async def test_sound_that_is_gone_is_not_found() -> None:
    problem = problem_of(BlobMissing("sha256:0", "the store"))

    assert problem is not None
    assert problem.status == 404


async def test_what_nobody_expected_is_logged_by_name_and_place_only(
    door: "Door", raised: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    raised["it"] = KeyError(SECRET)

    with caplog.at_level(logging.DEBUG):
        await door.client.get(f"/raise/it?token={SECRET}")

    [line] = [record for record in caplog.records if record.name == "parley.gateway"]
    assert line.getMessage().startswith("unexpected KeyError at ")
    assert "conftest.py" in line.getMessage()
    assert line.exc_info is None
    assert not any(SECRET in record.getMessage() for record in caplog.records if record.name.startswith("parley"))


def test_the_openapi_document_names_the_refusals(door: "Door") -> None:
    answers = door.app.openapi()["paths"]["/api/me"]["get"]["responses"]

    assert answers["401"]["content"]["application/problem+json"]["schema"]["title"] == "ProblemDetails"
    assert set(answers) == {"200", "401", "429"}
