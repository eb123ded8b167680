"""A log that keeps operations only: nothing of what was said is in it, and it answers all the same."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.event_log.columns import columns_of
from infra.event_log.content import KEPT, without_content
from infra.event_log.log import open_log
from infra.event_log.port import INVALID, Batch, Row, StreamIdentity
from schemas.catalogue import decode

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden"
FILES = sorted(GOLDEN.glob("v*/*.json"))
SAID = "Sarah Miller's secret"


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """All texts in a value, each with the name that it stands under."""
    match value:
        case dict():
            for key, each in value.items():
                yield from texts(each, key)
        case list():
            for each in value:
                yield from texts(each, name)
        case str():
            yield name, value


def row_of(payload: bytes) -> Row:
    return Row(1, decode(payload).subject, {}, payload)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_of_no_event_a_text_stays_but_parleys_own_words(file: Path) -> None:
    before = columns_of(row_of(file.read_bytes()))
    assert before.type != INVALID

    after = without_content(before)

    fact = json.loads(after.payload)
    assert {text for name, text in texts(fact) if name not in KEPT} <= {""}
    assert set(fact) == set(json.loads(before.payload)), "an event keeps its shape"
    assert after._replace(payload=before.payload, rest=before.rest) == before, "nothing else changes"


def test_numbers_and_parleys_own_words_stay() -> None:
    golden = (GOLDEN / "v1" / "ReplyGenerated.json").read_bytes()

    after = json.loads(without_content(columns_of(row_of(golden))).payload)

    before = json.loads(golden)["fact"]
    for name in ("engine", "tokens", "prompt"):
        kept = {key: value for key, value in before[name].items() if key != "reason"}
        assert {key: value for key, value in after[name].items() if key != "reason"} == kept
    assert len(after["candidates"]) == len(before["candidates"])


def test_names_of_a_skills_data_go_with_it() -> None:
    golden = json.loads((GOLDEN / "v1" / "TaskCompleted.json").read_bytes())
    golden["fact"]["outcome"] |= {"data": {SAID: {"x": 1}}, "message": SAID}

    after = without_content(columns_of(row_of(json.dumps(golden).encode())))

    assert SAID not in str(after)
    assert json.loads(after.payload)["outcome"]["skill"] == golden["fact"]["outcome"]["skill"]


def test_of_a_message_that_cannot_be_read_only_the_kind_of_mistake_stays() -> None:
    row = Row(1, f"parley.v1.{SAID.replace(' ', '')}", {"X": SAID}, json.dumps({"text": SAID}).encode())

    after = without_content(columns_of(row))

    assert after.type == INVALID
    assert "Sarah" not in str(after)
    assert json.loads(after.payload)["error"] == "InvalidField"


async def test_such_a_log_answers_what_happened_and_not_what_was_said(tmp_path: Path) -> None:
    names = ("TextTurnOpened", "IntentClassified", "ReplyGenerated", "TurnCompleted")
    events = [json.loads((GOLDEN / "v1" / f"{name}.json").read_bytes()) for name in names]
    for place, event in enumerate(events):
        event["meta"] |= {"id": f"event-{place}", "turn": events[0]["meta"]["turn"]}
    payloads = [json.dumps(event).encode() for event in events]
    rows = tuple(Row(place, decode(each).subject, {}, each) for place, each in enumerate(payloads, start=1))
    stream = StreamIdentity("PARLEY_EVENTS", datetime(2026, 1, 1, tzinfo=UTC))
    async with await open_log(tmp_path / "log.duckdb", keeps_content=False) as log:
        done = await log.append(Batch(stream, rows))
        assert done.recorded == len(rows)
        turns = await log.ask("SELECT status, text, reply, intents FROM turns WHERE status = 'completed'")
        engines = await log.ask("SELECT backend, completion_tokens FROM engines")
        said = await log.ask("SELECT count(*) FROM intents WHERE text <> '' OR slots <> '{}'::JSON")
    ((status, text, reply, intents),) = turns.rows
    assert (status, text, reply) == ("completed", "", "")
    assert intents
    assert engines.rows[0][0]
    assert said.rows == ((0,),)


def test_nothing_of_how_a_person_likes_to_be_answered_stays() -> None:
    golden = (GOLDEN / "v1.2" / "PersonaUpdated.json").read_bytes()

    after = json.loads(without_content(columns_of(row_of(golden))).payload)

    assert (after["facets"], after["before"], after["reason"]) == ({}, {}, "")
