"""The OpenAPI document against the endpoints: whatever it allows or forbids is answered as it says, and never with 5xx.

Against a real server, as any program meets it.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.gateway_settings import GatewaySettings
from infra.settings import Settings
from pipeline.gateway import api
from pipeline.gateway.app import opened
from pipeline.gateway.serving import listening_socket, serve
from pipeline.process import address_of
from tests.pipeline.gateway.api.conftest import settings_of

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow
EXAMPLES = 5  # of each endpoint and mode
HEALTH = "/health"  # its 503 is an answer: on a busy machine a process may not say in time that it is there
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def serve_until(settings: Settings, bound: socket.socket, ending: threading.Event) -> None:
    """A gateway as its process serves it, on a loop of its own."""
    stop = asyncio.Event()
    async with (
        Bus(address_of(settings), name="test-gateway") as bus,
        opened(settings, bus, SystemClock()) as (app, _),
    ):
        serving = asyncio.create_task(serve(app, bound, settings, stop))
        await asyncio.to_thread(ending.wait)
        stop.set()
        await serving


@pytest.fixture(scope="module")
def own_parley(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Parley]":
    """One in which nobody else has said anything: examples of ids are nobody's turns there."""
    from tests.conftest import ready_parley

    with ready_parley(tmp_path_factory.mktemp("parley"), MINIMAL_MODE="true") as parley:
        yield parley


@pytest.fixture(scope="module")
def url(own_parley: "Parley") -> Iterator[str]:
    settings, ending = settings_of(own_parley, **{"gateway.port": "0"}), threading.Event()
    bound = listening_socket(settings)  # who connects before it is served waits
    thread = threading.Thread(target=lambda: asyncio.run(serve_until(settings, bound, ending)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        ending.set()
        thread.join(30)


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return told


@pytest.fixture(scope="module")
def described(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


def asked() -> Iterator[tuple[str, str, GenerationMode]]:
    """Each endpoint as it wants to be asked, and, where anything can be wrong with a question, as it does not."""
    app = FastAPI()
    api.install(app, GatewaySettings())
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            yield method, path, GenerationMode.POSITIVE
            if told.get("parameters") or "requestBody" in told:
                yield method, path, GenerationMode.NEGATIVE


@pytest.mark.parametrize(("method", "path", "mode"), list(asked()))
def test_every_answer_is_one_that_the_document_tells(
    described: BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = described[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @bounds(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def answered(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS if path != HEALTH else CHECKS[1:])

    answered()


def test_every_endpoint_is_described_with_its_refusals(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told["summary"], (method, path)
            assert told["description"], (method, path)
            assert told["tags"], (method, path)
            assert {"401", "429"} <= set(told["responses"]), (method, path)
            if "requestBody" in told:
                assert {"400", "413", "422"} <= set(told["responses"]), (method, path)
            for status, answer in told["responses"].items():
                assert answer["description"]
                if int(status) >= 400 and path != HEALTH:
                    assert set(answer["content"]) == {"application/problem+json"}, (method, path, status)


def test_every_body_has_an_example_and_each_example_is_one(document: dict[str, Any]) -> None:
    told = {**document, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = [answer for status, answer in operation["responses"].items() if int(status) < 300]
            for holder in (*answers, *([operation["requestBody"]] if "requestBody" in operation else [])):
                content = holder["content"].get("application/json")
                if content is None:  # a form, a page, sound
                    continue
                schema = content["schema"]
                options = [schema, *schema.get("anyOf", [])]
                named = [
                    document["components"]["schemas"][o["$ref"].rpartition("/")[2]] for o in options if "$ref" in o
                ]
                examples = [
                    *(each for one in named for each in one.get("examples", [])),
                    *filter(None, [content.get("example")]),
                ]
                assert examples, (method, path)
                for example in examples:
                    jsonschema.Draft202012Validator({**told, **schema}).validate(example)
