"""`parley say` and `parley hear`: what they print, what they refuse, and how they end."""

import io
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import Result

from infra.clock import new_id

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]

RATE_HZ = 16_000
KEYS = [
    *("turn_id", "conversation_id", "status", "transcript", "intents", "tasks", "reply", "speech", "engine"),
    *("timings_ms", "error"),
]


@pytest.fixture(scope="session")
def spoken() -> Any:
    """Three seconds of a human voice: float32 mono at 16 kHz."""
    import moonshine_voice

    path = Path(moonshine_voice.__file__).parent / "assets" / "beckett.wav"
    samples, rate_hz = soundfile.read(path, dtype="float32", frames=3 * soundfile.info(path).samplerate)
    assert rate_hz == RATE_HZ
    return samples


def wav(samples: Any, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert list(found) == KEYS
    return found


# Saying


def test_a_turn_is_told_as_one_object(parley: Cli, tmp_path: Path) -> None:
    out = tmp_path / "reply.wav"

    result = parley("say", "remind me tomorrow at three to call the dentist", "--json", "--out", str(out))

    turn = told(result)
    assert result.exit_code == 0
    assert turn["status"] == "completed"
    assert turn["transcript"] == "remind me tomorrow at three to call the dentist"
    [intent] = turn["intents"]
    assert intent["label"] == "create_reminder"
    assert 0 < intent["confidence"] <= 1
    assert intent["text"]
    assert intent["slots"]["title"] == "call the dentist"
    [task] = turn["tasks"]
    assert set(task) == {"skill", "success", "data", "message"}
    assert (task["skill"], task["success"]) == ("create_reminder", True)
    assert "call the dentist" in turn["reply"]
    assert set(turn["speech"]) == {"path", "rate_hz", "audio_s"}
    assert turn["speech"]["path"] == str(out)
    assert set(turn["engine"]) >= {"backend", "model", "fallback"}
    assert list(turn["timings_ms"]) == ["intent", "router", "chat", "reranker", "tts"]
    assert all(set(stage) == {"queue", "work"} for stage in turn["timings_ms"].values())
    assert turn["error"] is None
    with wave.open(str(out)) as file:
        assert file.getframerate() == turn["speech"]["rate_hz"]
        assert file.getnframes() / file.getframerate() == pytest.approx(turn["speech"]["audio_s"], abs=0.02)


def test_without_speech_there_is_none(parley: Cli, tmp_path: Path) -> None:
    turn = told(parley("say", "hello", "--no-speech", "--json", "--out", str(tmp_path / "none.wav")))

    assert turn["speech"] is None
    assert "tts" not in turn["timings_ms"]
    assert not (tmp_path / "none.wav").exists()


def test_a_conversation_goes_on(parley: Cli) -> None:
    first = told(parley("say", "my name is Ana", "--no-speech", "--json"))

    second = told(parley("say", "what is my name", "--no-speech", "--json", "--conversation", first["conversation_id"]))

    assert second["conversation_id"] == first["conversation_id"]
    assert "Ana" in second["reply"]


def test_what_one_user_notes_another_does_not_see(parley: Cli) -> None:
    mine, other = f"user-{new_id()}", f"user-{new_id()}"
    parley("say", "note to buy chocolate", "--no-speech", "--user", mine)

    theirs = told(parley("say", "list my notes", "--no-speech", "--json", "--user", other))
    own = told(parley("say", "list my notes", "--no-speech", "--json", "--user", mine))

    assert "chocolate" not in theirs["reply"]
    assert "chocolate" in own["reply"]


def test_two_intents_are_told_in_their_order(parley: Cli) -> None:
    turn = told(parley("say", "set a reminder for 1 a.m. to sleep and note to buy chocolate", "--no-speech", "--json"))

    assert [intent["label"] for intent in turn["intents"]] == ["create_reminder", "create_note"]
    assert [task["success"] for task in turn["tasks"]] == [True, True]


def test_for_a_person_it_is_text(parley: Cli) -> None:
    result = parley("say", "note to buy milk", "--no-speech")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["you", "intent", "parley"]
    assert result.stderr == ""


@pytest.mark.parametrize(
    "text", ["x" * 4_000, "Grüße aus Zürich ☕ 你好", "a\nb\tc", "؟", "-- --", "'; DROP TABLE notes;--"]
)
def test_unusual_text_is_a_turn_like_others(parley: Cli, text: str) -> None:
    turn = told(parley("say", "--no-speech", "--json", "--", text))

    assert turn["status"] == "completed"
    assert turn["transcript"] == text
    assert turn["reply"]


REFUSED_TEXTS = {
    "": "text: '' is not allowed; expected at least one character that is not white space",
    " \n\t ": "text: ' \\n\\t ' is not allowed; expected at least one character that is not white space",
    "x" * 100_000: "(100002 characters) is not allowed; expected at most 4000 characters",
    "ring\x07ring": "text: 'ring\\x07ring' is not allowed; expected no control characters (U+0007 stands at 4)",
    "\x1b[2J": "expected no control characters (U+001B stands at 0)",
    "a\x85b": "expected no control characters (U+0085 stands at 1)",
    "half \ud83d": "text: 'half \\ud83d' is not allowed; expected valid Unicode (U+D83D stands at 5)",
    "bro\ufffdken": "expected valid Unicode (U+FFFD stands at 3)",
}


@pytest.mark.parametrize("text", REFUSED_TEXTS, ids=range(len(REFUSED_TEXTS)))
@pytest.mark.parametrize("shape", [(), ("--json",)])
def test_text_that_nobody_can_have_said_is_refused(
    parley: Cli, one_line: OneLine, text: str, shape: tuple[str, ...]
) -> None:
    refused = parley("say", *shape, "--", text)

    assert refused.exit_code == 2
    assert REFUSED_TEXTS[text] in one_line(refused)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--conversation", "mine", "--conversation: 'mine' is not allowed; expected a UUIDv7"),
        ("--conversation", "123e4567-e89b-12d3-a456-426614174000", "expected a UUIDv7"),
        ("--user", "a.b", "--user: 'a.b' is not allowed; expected 1 to 64 of the characters"),
        ("--user", "a" * 65, "expected 1 to 64 of the characters"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    parley: Cli, one_line: OneLine, option: str, value: str, expected: str
) -> None:
    refused = parley("say", "hello", "--no-speech", option, value)

    assert refused.exit_code == 2
    assert expected in one_line(refused)


def test_a_file_that_cannot_be_written_is_told(parley: Cli, tmp_path: Path, one_line: OneLine) -> None:
    refused = parley("say", "hello", "--out", str(tmp_path / "no" / "such" / "folder.wav"))

    assert refused.exit_code == 2
    assert "--out: " in one_line(refused)


@pytest.mark.parametrize("command", [("say", "hello"), ("hear", __file__), ("status",), ("log", "tail")])
def test_without_a_parley_it_says_how_to_start_one(cli: Cli, one_line: OneLine, command: tuple[str, ...]) -> None:
    refused = cli(*command)

    assert refused.exit_code == 3
    assert "no Parley runs on data; start one with `parley up`" in one_line(refused)


# Hearing


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("mono.wav", wav),
        ("eight-channels.wav", lambda samples: wav(np.repeat(samples[:, None], 8, axis=1))),
        ("stereo-44100.flac", None),
        ("truncated.wav", lambda samples: wav(samples)[:-20_000]),
        ("no-name", wav),
    ],
)
def test_a_recording_is_heard(parley: Cli, tmp_path: Path, spoken: Any, name: str, make: Any) -> None:
    file = tmp_path / name
    if make is None:
        soundfile.write(file, np.repeat(np.repeat(spoken, 3)[:, None], 2, axis=1), 3 * RATE_HZ)
    else:
        file.write_bytes(make(spoken))

    result = parley("hear", str(file), "--no-speech", "--json")

    turn = told(result)
    assert result.exit_code == 0
    assert turn["status"] == "completed"
    assert len(turn["transcript"].split()) >= 2
    assert list(turn["timings_ms"])[:2] == ["stt", "intent"]


@pytest.mark.parametrize("loudness", [0.0, 0.05])
def test_what_holds_no_speech_is_a_turn_that_says_so(parley: Cli, tmp_path: Path, loudness: float) -> None:
    file = tmp_path / "empty.wav"
    file.write_bytes(wav(np.random.default_rng(3).normal(0, 1, 2 * RATE_HZ).astype("float32") * loudness))

    turn = told(parley("hear", str(file), "--no-speech", "--json"))

    assert turn["status"] == "completed"
    assert turn["transcript"] == ""
    assert turn["tasks"] == []
    assert turn["reply"]


def zero_hz(samples: Any) -> bytes:
    data = bytearray(wav(samples))
    data[24:28] = bytes(4)
    return bytes(data)


UNUSABLE: dict[str, tuple[Callable[[Any], bytes], str]] = {
    "not-audio.wav": (lambda _: b"<html>this is not a recording</html>" * 100, "audio"),
    "empty.wav": (lambda _: b"", "audio.size_bytes"),
    "zero-hz.wav": (zero_hz, "audio.rate_hz"),
    "only-a-header.wav": (lambda samples: wav(samples)[:44], "audio.audio_s"),
    "ten-minutes.wav": (lambda samples: wav(np.tile(samples, 200)), "audio.audio_s"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_recording_that_cannot_be_used_fails_as_a_turn_that_says_why(
    parley: Cli, tmp_path: Path, spoken: Any, name: str
) -> None:
    make, field = UNUSABLE[name]
    file = tmp_path / name
    file.write_bytes(make(spoken))

    result = parley("hear", str(file), "--json")

    turn = told(result)
    assert result.exit_code == 1
    assert turn["status"] == "failed"
    assert turn["error"]["code"] == "unusable-audio"
    assert turn["error"]["stage"] == "stt"
    assert turn["error"]["field"].startswith(field)
    assert turn["error"]["value"]
    assert turn["error"]["expected"]
    assert turn["reply"].startswith("I could not use that recording")


def test_for_a_person_such_a_failure_names_field_and_value(parley: Cli, tmp_path: Path) -> None:
    file = tmp_path / "empty.wav"
    file.write_bytes(b"")

    result = parley("hear", str(file))

    assert result.exit_code == 1
    assert "parley: audio.size_bytes: 0 is not allowed; expected a recording as WAV" in result.stderr


def test_a_failure_can_be_heard(parley: Cli, tmp_path: Path) -> None:
    file, out = tmp_path / "noise.wav", tmp_path / "out.wav"
    file.write_bytes(b"not a recording")

    turn = told(parley("hear", str(file), "--out", str(out), "--json"))
    heard = told(parley("hear", str(out), "--no-speech", "--json"))

    assert turn["speech"]["path"] == str(out)
    assert heard["transcript"].startswith("I could not use that recording")


@pytest.mark.parametrize("name", ["absent.wav", "."])
def test_a_file_that_cannot_be_read_is_refused(parley: Cli, tmp_path: Path, one_line: OneLine, name: str) -> None:
    refused = parley("hear", str(tmp_path / name))

    assert refused.exit_code == 2
    assert one_line(refused).startswith("FILE: ")


def test_a_file_larger_than_any_recording_is_refused_unread(parley: Cli, tmp_path: Path, one_line: OneLine) -> None:
    file = tmp_path / "large.wav"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 32)

    refused = parley("hear", str(file))

    assert refused.exit_code == 2
    assert one_line(refused).startswith("FILE: '4294967296 bytes' is not allowed; expected a recording of at most")


def test_after_all_that_the_workers_go_on(parley: Cli) -> None:
    assert told(parley("say", "hello", "--json"))["status"] == "completed"


def test_without_a_parley_a_turn_can_be_had_with_one_of_its_own(cli: Cli, one_line: OneLine) -> None:
    refused = cli("say", "hello")

    assert refused.exit_code == 3
    assert "add --here to run one just for this" in one_line(refused)
