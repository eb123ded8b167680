"""What a client on the socket is told of each event."""

import json

import pytest

from pipeline.front_end import Told
from pipeline.gateway.socket.telling import message_of, sound_of
from schemas import catalogue
from schemas.socket.told import TOLD
from tests.pipeline.gateway.socket.events import UNTOLD, golden

OF_THEIR_OWN = {
    "TextTurnOpened": "opened",
    "SpeechTurnOpened": "opened",
    "TranscriptReady": "transcript",
    "IntentClassified": "intents",
    "TaskCompleted": "task",
    "SentenceChosen": "sentence",
    "SpeechReady": "audio",
    "ApologySpoken": "audio",
    "ReplyCutShort": "cut-short",
    "FeedbackRecorded": "recorded",
    "TurnCompleted": "ended",
    "TurnFailed": "ended",
    "TurnInterrupted": "ended",
}


@pytest.mark.parametrize("name", sorted(set(catalogue.BY_NAME) - UNTOLD))
def test_each_event_of_a_turn_is_one_message_that_says_where_it_stands_and_how_it_came(name: str) -> None:
    heard = golden(name)

    message = message_of(heard, 17)

    assert message is not None
    told = json.loads(message.model_dump_json())
    assert TOLD.validate_json(message.model_dump_json()) == message
    assert told["seq"] == 17
    assert (told["turn"], told["number"]) == (heard.event.meta.turn, heard.event.meta.number)
    assert told["by"] == {"stage": heard.event.meta.stage, "queue_ms": 1.5, "work_ms": 20.25, "attempt": 2}
    if name in OF_THEIR_OWN:
        assert told["type"] == OF_THEIR_OWN[name]


@pytest.mark.parametrize("name", sorted(UNTOLD))
def test_submissions_and_reminders_are_not_told_as_events_of_a_turn(name: str) -> None:
    assert message_of(golden(name), 17) is None


def test_a_question_back_is_told_as_one() -> None:
    heard = golden("ReplyRequested")
    asks = heard.event.model_copy(update={"fact": heard.event.fact.model_copy(update={"clarification": "Which one?"})})

    message = message_of(Told(asks, heard.hop), 3)

    assert message is not None
    assert (message.type, getattr(message, "question", None)) == ("clarification", "Which one?")


@pytest.mark.parametrize("name", ["SpeechReady", "ApologySpoken"])
def test_sound_comes_with_the_message_that_announces_its_size(name: str) -> None:
    heard = golden(name)

    sound, message = sound_of(heard), message_of(heard, 3)

    assert sound is not None
    assert message is not None
    assert getattr(message, "size_bytes", None) == sound.size_bytes
    assert getattr(message, "apology", None) is (name == "ApologySpoken")


def test_no_other_event_has_sound_for_the_loudspeaker() -> None:
    assert sound_of(golden("SpeechTurnOpened")) is None, "that is what the person said"
