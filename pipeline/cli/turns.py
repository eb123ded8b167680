"""`parley say` and `parley hear`: one turn, sent and waited for."""

import asyncio
import json
import mimetypes
import sys
from pathlib import Path
from typing import Annotated, Any

import pydantic
import typer

from infra import settings as configuration
from infra.audio import AUDIO_MAX_BYTES, join_wavs
from infra.clock import SystemClock
from pipeline import wiring
from pipeline.cli import exits
from pipeline.cli.exits import Exit
from pipeline.cli.joining import bus_of
from pipeline.front_end import FollowedTurn, FrontEnd
from pipeline.turn_result import result_of, spoken
from schemas.errors import InvalidField
from schemas.event import Meta
from schemas.intake import Submission, TextSubmitted, sayable
from schemas.refusals import expected_by

Conversation = Annotated[
    str | None, typer.Option("--conversation", "-c", help="Continue this conversation (its id); a new one otherwise.")
]
User = Annotated[str | None, typer.Option("--user", "-u", help="Whose turn it is; default: `user` in config.yaml.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write the spoken reply to this WAV file.")]
NoSpeech = Annotated[bool, typer.Option("--no-speech", help="The reply as text only; quicker.")]
Here = Annotated[bool, typer.Option("--here", help="Run a private Parley just for this turn when none is running.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
Interrupt = Annotated[bool, typer.Option("--interrupt", help="Stop the conversation's open turn instead of waiting.")]


def say(
    text: Annotated[str, typer.Argument(help='What to say, e.g. "remind me tomorrow at three to call the dentist".')],
    conversation: Conversation = None,
    user: User = None,
    out: Out = None,
    no_speech: NoSpeech = False,
    here: Here = False,
    interrupt: Interrupt = False,
    as_json: AsJson = False,
) -> None:
    """Say something to Parley as text and print its reply.

    Exit status: 0 when it replied, 1 when the turn failed, 2 for text it cannot take, 3 when no Parley runs, 4 when it
    is busy.
    """
    with exits.told():
        checked = sayable(text)

        async def submission(front_end: FrontEnd) -> Submission:
            del front_end
            return TextSubmitted(text=checked, interrupts=interrupt)

        asyncio.run(_turn(submission, conversation, user, out, not no_speech, here, as_json))


def hear(
    file: Annotated[Path, typer.Argument(help="A recording: WAV, FLAC, OGG or MP3, any rate, mono or stereo.")],
    conversation: Conversation = None,
    user: User = None,
    out: Out = None,
    no_speech: NoSpeech = False,
    here: Here = False,
    interrupt: Interrupt = False,
    as_json: AsJson = False,
) -> None:
    """Let Parley hear a recording as one turn and print what it understood and replied.

    Exit status as for `say`; 1 also when the file is no recording that can be used.
    """
    with exits.told():
        data = _read(file)
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"

        async def submission(front_end: FrontEnd) -> Submission:
            audio = await front_end.audio(data, media_type)
            return audio.model_copy(update={"interrupts": interrupt})

        asyncio.run(_turn(submission, conversation, user, out, not no_speech, here, as_json))


async def _turn(
    submission: Any,
    conversation: str | None,
    user: str | None,
    out: Path | None,
    speech: bool,
    here: bool,
    as_json: bool,
) -> None:
    settings = configuration.load()
    async with bus_of(settings, here=here) as bus:
        front_end = FrontEnd(bus, await wiring.blobs_of(settings, bus), settings, SystemClock())
        meta = _meta(front_end, conversation, user, speech)
        turn = await front_end.send(await submission(front_end), meta)
        path = await _write_speech(front_end, turn, out) if out is not None else None
    result = result_of(turn, str(path) if path else None)
    print(json.dumps(result, ensure_ascii=False) if as_json else _text(result))
    if result["status"] != "completed":
        raise SystemExit(int(Exit.TURN_FAILED))


def _meta(front_end: FrontEnd, conversation: str | None, user: str | None, speech: bool) -> Meta:
    try:
        return front_end.new_meta(conversation=conversation, user=user, speech=speech)
    except pydantic.ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        raise InvalidField(f"--{first['loc'][0]}", first["input"], expected_by(first)) from None


async def _write_speech(front_end: FrontEnd, turn: FollowedTurn, out: Path) -> Path | None:
    sentences = spoken(turn)
    if not sentences:
        return None
    wavs = [await front_end.blobs.get(sentence.audio) for sentence in sentences]
    try:
        await asyncio.to_thread(out.write_bytes, join_wavs(wavs))
    except OSError as error:
        raise InvalidField("--out", str(out), f"a file that can be written ({error.strerror})") from None
    return out


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > AUDIO_MAX_BYTES:
            raise InvalidField("FILE", f"{size} bytes", f"a recording of at most {AUDIO_MAX_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise InvalidField("FILE", str(file), f"a recording that can be read ({error.strerror})") from None


def _text(result: dict[str, Any]) -> str:
    lines = []
    if result["status"] == "failed":
        print(_failure(result["error"]), file=sys.stderr)
    if result["transcript"] is not None:
        lines.append(f"you     {result['transcript'] or '(nothing)'}")
    lines += [f"intent  {intent['label']} {intent['confidence']:.2f}  {intent['text']}" for intent in result["intents"]]
    lines.append(f"parley  {result['reply']}")
    if result["speech"] and result["speech"]["path"]:
        lines.append(f"speech  {result['speech']['path']} ({result['speech']['audio_s']} s)")
    return "\n".join(lines)


def _failure(error: dict[str, Any]) -> str:
    if error["field"]:
        return f"parley: {error['field']}: {error['value']} is not allowed; expected {error['expected']}"
    return f"parley: the turn failed ({error['code']}): {error['error'] or ''}".rstrip(": ")
