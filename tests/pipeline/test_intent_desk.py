"""What an utterance would be taken for, asked over the bus."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable, NotAnswered
from infra.clock import SetClock
from pipeline import intent_desk
from pipeline.intent_desk import IntentDesk, Utterance, ask_intents
from schemas.errors import InvalidField

if TYPE_CHECKING:
    from stages.intent import IntentGiven

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def given() -> "IntentGiven":
    from infra.embeddings import MiniLm
    from stages.intent import IntentGiven, load_head

    embedder = MiniLm()
    return IntentGiven(embedder=embedder, head=load_head(embedding_model=embedder.model))


async def test_it_is_told_as_on_the_command_line_and_in_the_time_zone_asked_for(bus: Bus, given: "IntentGiven") -> None:
    IntentDesk(given, SetClock(NOON)).answer_on(bus)
    await bus.start_answering()
    said = "remind me tomorrow at three to call mum and what is a quark"

    [reminder, question] = await ask_intents(bus, Utterance(text=said, time_zone="Europe/Berlin"))

    assert (reminder["label"], reminder["slots"]["title"]) == ("create_reminder", "call mum")
    assert reminder["slots"]["when"]["at"].startswith("2026-11-21T")
    assert datetime.fromisoformat(reminder["slots"]["when"]["at"]).astimezone(UTC).hour == 14
    assert question["label"] == "general_query"
    assert reminder["decided_by"] == "head"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": " ", "time_zone": "UTC"}, "text"),
        ({"text": "hello", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"text": "hello"}, "time_zone"),
    ],
)
async def test_what_cannot_be_classified_is_refused(given: "IntentGiven", asked: dict[str, Any], field: str) -> None:
    answer = json.loads(await IntentDesk(given, SetClock(NOON)).answer(json.dumps(asked).encode()))

    assert answer["error"]["field"] == field


async def test_the_asker_is_told_what_was_refused(bus: Bus, given: "IntentGiven") -> None:
    IntentDesk(given, SetClock(NOON)).answer_on(bus)
    await bus.start_answering()

    with pytest.raises(InvalidField, match="Mars/Olympus"):
        await ask_intents(bus, Utterance(text="hello", time_zone="Mars/Olympus"))


async def test_nobody_there_and_nobody_in_time_are_told_apart(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent_desk, "ASK_TIMEOUT_S", 0.1)
    hello = Utterance(text="hello", time_zone="UTC")
    with pytest.raises(BusUnavailable, match="no responders") as nobody:
        await ask_intents(bus, hello)
    assert not isinstance(nobody.value, NotAnswered)

    async def heard(subject: str, payload: bytes) -> None:
        """Somebody who hears the question, and never answers."""

    await bus.listen(intent_desk.ASK_SUBJECT, heard)
    with pytest.raises(NotAnswered, match="no answer within"):
        await ask_intents(bus, hello)
