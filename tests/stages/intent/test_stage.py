"""The stage as a whole: events in, events out."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.intents import IntentClassified, IntentLabel
from schemas.speech import ModelUse, TranscriptReady
from schemas.turns import TextTurnOpened
from stages.intent import INTENT, IntentGiven, classify
from stages.intent.stage import understand

NOW = datetime.fromisoformat("2026-03-04T10:20:00+01:00")
RECOGNISER = ModelUse(backend="whisper", model="tiny.en")
NewEvent = Callable[..., Event[Fact]]


async def said(event: Event[Fact], given: IntentGiven) -> IntentClassified:
    told = [fact async for fact in INTENT.handle(event, given, ())]
    assert len(told) == 1 and isinstance(told[0], IntentClassified)
    return told[0]


async def test_a_typed_turn_is_understood_in_the_persons_time(given: IntentGiven, new_event: NewEvent) -> None:
    event = new_event(TextTurnOpened(text="remind me tomorrow at three to call Ann"), time=NOW, time_zone="Asia/Tokyo")
    classified = await said(event, given)
    (intent,) = classified.intents
    assert intent.label is IntentLabel.CREATE_REMINDER and intent.decided_by == "head"
    assert intent.slots.title == "call Ann"
    assert intent.slots.when is not None and intent.slots.when.at is not None
    assert intent.slots.when.at.isoformat() == "2026-03-05T15:00:00+09:00"
    assert classified.text == "remind me tomorrow at three to call Ann"


async def test_a_spoken_turn_with_two_requests_has_two_intents(given: IntentGiven, new_event: NewEvent) -> None:
    text = "Set a reminder for one a.m. to sleep, and note to buy chocolate."
    event = new_event(TranscriptReady(text=text, audio_s=3.0, recogniser=RECOGNISER), time=NOW)
    labels = [intent.label for intent in (await said(event, given)).intents]
    assert labels == [IntentLabel.CREATE_REMINDER, IntentLabel.CREATE_NOTE]


@pytest.mark.parametrize("heard", ["silence", "noise"])
async def test_an_empty_transcript_is_unknown_and_says_why(given: IntentGiven, new_event: NewEvent, heard: str) -> None:
    fact = TranscriptReady.model_validate(
        {"text": "", "audio_s": 2.0, "empty_because": heard, "recogniser": RECOGNISER}
    )
    classified = await said(new_event(fact, time=NOW), given)
    assert classified.empty_because == heard
    assert [intent.label for intent in classified.intents] == [IntentLabel.UNKNOWN]


async def test_the_same_event_says_the_same_again(given: IntentGiven, new_event: NewEvent) -> None:
    event = new_event(TextTurnOpened(text="add milk to my shopping list and tell me a joke"), time=NOW)
    assert await said(event, given) == await said(event, given)


async def test_an_unknown_time_zone_is_refused_for_good(given: IntentGiven, new_event: NewEvent) -> None:
    event = new_event(TextTurnOpened(text="hello"), time=NOW, time_zone="Mars/Olympus")
    with pytest.raises(InvalidField, match=r"meta\.time_zone"):
        await said(event, given)


@pytest.mark.parametrize(
    "text",
    [
        "\u200b",
        "???",
        "😀😀😀",
        "…",
        "a" * 4_000,
        "and " * 1_000,
        "\t\n " * 900 + "x",
        "ａｌａｒｍ ａｔ ６",
        "12",
        "-",
        "remind",
    ],
)
async def test_odd_texts_are_classified_and_not_refused(given: IntentGiven, text: str) -> None:
    started = datetime.now(NOW.tzinfo)
    intents = await classify(text, NOW, "UTC", given)
    assert len(intents) >= 1
    assert datetime.now(NOW.tzinfo) - started < timedelta(seconds=10)


def test_the_declaration_names_what_it_hears_and_says() -> None:
    assert INTENT.handle is understand
    assert set(INTENT.hears) == {TextTurnOpened, TranscriptReady}
    assert INTENT.says == (IntentClassified,)
    assert INTENT.slots == 2
