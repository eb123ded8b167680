"""What a person is told when a turn fails, of every reason that there is: speech, and something that they can do."""

import io
import re
import wave
from collections.abc import Callable
from typing import Final, get_args

import pytest

from infra.audio import AudioLimits, decode_blocking
from infra.settings import checked_zone
from pipeline.dead_letters import failure_of
from pipeline.turn_ends import failed
from schemas.catalogue import decode
from schemas.errors import InvalidField, SchemaError
from schemas.turns import FailureCode, StageFailed, TurnFailed

SUBMITTED: Final = (
    b'{"meta":{"id":"a","type":"TextSubmitted","schema_version":"1.0","conversation":'
    b'"01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10","turn":"01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e11","user":"ann",'
    b'"time":"2026-11-20T12:00:00Z"},"fact":{"text":"hello"}}'
)
BLOB: Final = "sha256:" + "0f" * 32
CODES: Final[tuple[FailureCode, ...]] = get_args(FailureCode)
NEVER_SAID: Final = (
    *("schema", "payload", "json", "deadline", "exception", "traceback", "timeout", "null", "none", "uuid", "utf"),
    *("field", "subject", "stage", "keeper", "token", "byte", "blob", "unicode", "iana", "expected", "invalid"),
)
"""What nobody says who is no programmer."""


def submitted(wrong: bytes, right: bytes = b'"hello"') -> Callable[[], object]:
    return lambda: decode(SUBMITTED.replace(right, wrong))


def recorded(frames: int, *, rate_hz: int = 16_000, channels: int = 1) -> Callable[[], object]:
    def read() -> object:
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(rate_hz)
            out.writeframes(bytes(2 * frames * channels))
        return decode_blocking(file.getvalue(), AudioLimits(longest_s=2))

    return read


INPUTS: Final[dict[str, tuple[Callable[[], object], str]]] = {
    "no text": (submitted(b'" "'), "nothing in it"),
    "a long text": (submitted(b'"' + b"x" * 5_000 + b'"'), "too long"),
    "a longer text than an event holds": (submitted(b'"' + b"x" * 70_000 + b'"'), "too long"),
    "a sign that cannot be said": (submitted(b'"a\\u0007b"'), "signs"),
    "half a sign": (submitted('"a\ufffdb"'.encode()), "signs"),
    "no text at all": (submitted(b'"words"', b'"text"'), "form"),
    "not JSON": (submitted(b"{", b"}}"), "form"),
    "a user that is none": (submitted(b'"a b"', b'"ann"'), "form"),
    "a turn that is none": (submitted(b'"1"', b'"01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e11"'), "form"),
    "a newer program": (submitted(b'"2.0"', b'"1.0"'), "form"),
    "a kind that there is not": (submitted(b'"Sung"', b'"TextSubmitted"'), "form"),
    "a zone that there is not": (lambda: checked_zone("meta.time_zone", "Mars/Olympus"), "time zone"),
    "an empty recording": (lambda: decode_blocking(b""), "nothing in it"),
    "no recording": (lambda: decode_blocking(b"<html></html>" * 20), "of a kind"),
    "a large recording": (lambda: decode_blocking(bytes(20), AudioLimits(max_bytes=10)), "too large"),
    "a long recording": (recorded(48_000), "too long"),
    "a short recording": (recorded(2), "too short"),
    "an odd rate": (recorded(100, rate_hz=1_000_000), "unusual"),
    "many channels": (recorded(100, channels=20), "unusual"),
}


def refused(by: Callable[[], object]) -> InvalidField:
    with pytest.raises(SchemaError) as told:
        by()
    return told.value  # type: ignore[return-value]  # it has the same three


def assert_said(end: TurnFailed) -> None:
    """What can be told of speech without an ear: sentences of plain words, with nothing in them that is not one."""
    message = end.message
    assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,.:']*\.", message), message
    words = set(re.findall("[a-z]+", message.lower()))
    assert not {word for word in words for never in NEVER_SAID if word.rstrip("s") == never}
    assert len(message.split()) <= 40, "a person stops listening"
    assert "Please " in message, "what they can do"
    for detail in (end.field, end.value, end.expected, end.error, (end.error or "").partition(":")[0]):
        assert not detail or detail not in message


@pytest.mark.parametrize("code", CODES)
def test_every_reason_to_fail_has_words_of_its_own(code: FailureCode) -> None:
    end = failed(code, None)

    assert end.code == code
    assert_said(end)
    assert [other for other in CODES if failed(other, None).message == end.message] == [code]


@pytest.mark.parametrize("name", INPUTS)
def test_what_was_wrong_with_what_the_person_sent_is_told_in_plain_words(name: str) -> None:
    by, about = INPUTS[name]
    error = refused(by)
    failure = failure_of("stt" if error.field.startswith("audio") else "keeper", error, 1)

    end = failed(failure.code, failure)

    assert_said(end)
    assert about in end.message
    assert (end.field, end.value, end.expected) == (error.field, error.value, error.expected), "for programs"


def test_a_recording_that_is_not_there_is_told() -> None:
    expected = "a recording that was put into the blob store before it was submitted"
    fields = {"code": "unusable-audio", "field": "audio.ref", "value": BLOB, "expected": expected}
    failure = StageFailed(failed_stage="stt", error="UnusableAudio", message=BLOB, tries=1).model_copy(update=fields)

    end = failed("unusable-audio", failure)

    assert_said(end)
    assert "could not find it" in end.message


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("error", "field"),
    [
        ("sqlite3.OperationalError: /home/ann/data/state.sqlite3 is locked", None),
        (f"KeyError: {BLOB}", "fact.candidates.0.text"),
        ("InvalidField: head.json", "labels"),
    ],
)
def test_what_went_wrong_within_is_kept_from_the_person_and_told_to_whoever_mends_it(
    code: FailureCode, error: str, field: str | None
) -> None:
    kind, _, message = error.partition(": ")
    expected = "the labels {a, b}" if field else None
    failure = StageFailed(
        failed_stage="intent", error=kind, message=message, tries=5, code=code, field=field, expected=expected
    )

    end = failed(code, failure)

    assert_said(end)
    assert (end.stage, end.error, end.expected) == ("intent", error, expected)


def test_a_mistake_of_parley_s_own_is_not_laid_at_the_person_s_door() -> None:
    own = StageFailed(
        failed_stage="tts",
        error="UnspeakableText",
        message="",
        tries=1,
        code="invalid",
        field="text",
        expected="at most",
    )

    assert failed("invalid", own).message == failed("stage-failed", None).message


@pytest.mark.parametrize(("wait_s", "told"), [(None, "a minute"), (1, "one second"), (34, "34 seconds")])
def test_who_said_too_much_is_told_when_to_go_on(wait_s: int | None, told: str) -> None:
    end = failed("too-many", None, wait_s=wait_s)

    assert_said(end)
    assert end.message.endswith(f"Please try again in {told}.")


@pytest.mark.parametrize("code", CODES)
def test_what_skills_had_done_is_told_first_whatever_failed(code: FailureCode) -> None:
    end = failed(code, None, ["Noted: buy tea.", "I've set {that}."], wait_s=3)

    assert end.message.startswith("Noted: buy tea. I've set {that}. Then something went wrong")
    assert end.message.endswith("Please ask me again for the rest only.")
