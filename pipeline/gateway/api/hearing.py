"""One spoken turn: a recording in, and everything that came of it out."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field

from infra.audio import AUDIO_MAX_BYTES, UnusableAudio
from pipeline.gateway.api.access import acting_for, own_conversation
from pipeline.gateway.api.chat import answered, known_zone
from pipeline.gateway.api.turn_shapes import (
    IntentTold,
    ModelInfo,
    SentenceSpoken,
    Status,
    StepTold,
    Transcription,
    intents_of,
    model_info_of,
    speech_of,
    status_of,
    steps_of,
    tasks_of,
    used_context,
)
from pipeline.gateway.given import Given
from pipeline.gateway.guarding import Who
from pipeline.gateway.refusals import responses
from pipeline.turn_result import reply_of
from schemas.event import TimeZone, Token, Uuid7
from schemas.speech import TranscriptReady
from schemas.tasks import TaskOutcome

MEDIA_TYPE_MAX_CHARS = 100


class Heard(BaseModel):
    """What came of a spoken turn."""

    success: bool = Field(description="Whether the turn was answered to its end; false when it was interrupted.")
    status: Status
    turn: str
    conversation: str
    steps: list[StepTold] = Field(description="The stages that worked on it, in the order in which they first spoke.")
    transcription: Transcription | None = None
    intents: list[IntentTold]
    results: list[TaskOutcome] = Field(description="What skills did, or why not.")
    response: str
    speech: list[SentenceSpoken] = Field(description="The reply as sound, sentence by sentence; empty when not wanted.")
    context_used: bool
    model_info: ModelInfo

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "success": True,
                    "status": "completed",
                    "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                    "conversation": "019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
                    "steps": [{"stage": "stt", "queue_ms": 0.9, "work_ms": 551.2}],
                    "transcription": {
                        "text": "Remind me tomorrow at three to call the dentist.",
                        "audio_s": 2.9,
                        "confidence": 0.97,
                        "empty_because": None,
                    },
                    "intents": [],
                    "results": [],
                    "response": "I'll remind you to call the dentist tomorrow at 3 PM.",
                    "speech": [
                        {
                            "index": 0,
                            "text": "I'll remind you to call the dentist tomorrow at 3 PM.",
                            "audio_s": 3.4,
                            "rate_hz": 24000,
                            "url": "/api/turns/019aa0b4-6e02-7a10-8f4c-5d2e91b3c740/speech/0",
                        }
                    ],
                    "context_used": True,
                    "model_info": {
                        "model_name": "smollm2-135m-instruct",
                        "inference_engine": "llama.cpp",
                        "response_time": 2.1,
                    },
                }
            ]
        }
    }


def routes(upload_max_bytes: int) -> APIRouter:
    """The endpoint, which takes bodies of this size."""
    router = APIRouter(prefix="/api/stt", tags=["speech"])
    router.add_api_route(
        "/transcribe-and-respond",
        transcribe_and_respond,
        methods=["POST"],
        summary="Hear a recording, and answer",
        responses=responses(400, 401, 403, 404, 413, 422, 429, 502, 503, 504),
        max_body_size=upload_max_bytes,
    )
    return router


async def transcribe_and_respond(
    given: Given,
    me: Who,
    audio_file: Annotated[
        UploadFile, File(description="WAV, FLAC, OGG (Vorbis or Opus) or MP3, of at most two minutes.")
    ],
    conversation: Annotated[Uuid7 | None, Form(description="Goes on with this one; a new one otherwise.")] = None,
    speech: Annotated[bool, Form(description="The reply is wanted as sound too.")] = True,
    user_id: Annotated[
        Token | None, Form(description="In whose name, for the role admin; otherwise one's own.")
    ] = None,
    time_zone: Annotated[TimeZone | None, Form(description="IANA name; as configured otherwise.")] = None,
) -> Heard:
    """A whole spoken turn, from the recording to the last spoken sentence.

    A recording that is empty, too long, too short or cannot be decoded is 422 with what was found and what would be
    right. The turn that a refusal names can be looked at.
    """
    user = acting_for(me, user_id)
    if time_zone is not None:
        known_zone(time_zone)
    await own_conversation(given, user, conversation)
    data = await _read(audio_file)
    media_type = (audio_file.content_type or "application/octet-stream")[:MEDIA_TYPE_MAX_CHARS]
    meta = given.front_end.new_meta(conversation=conversation, user=user, speech=speech, time_zone=time_zone)
    turn, took_s = await answered(given, await given.front_end.audio(data, media_type), meta)
    heard = turn.last(TranscriptReady)
    return Heard(
        success=status_of(turn.ended) == "completed",
        status=status_of(turn.ended),
        turn=meta.turn,
        conversation=meta.conversation,
        steps=steps_of(turn),
        transcription=_transcription(heard),
        intents=intents_of(turn),
        results=tasks_of(turn),
        response=reply_of(turn.ended) or "",
        speech=speech_of(turn),
        context_used=used_context(turn),
        model_info=model_info_of(turn, took_s),
    )


async def _read(audio_file: UploadFile) -> bytes:
    """The recording. Raises UnusableAudio for one that is empty, or larger than anything that is decoded."""
    data = await audio_file.read(AUDIO_MAX_BYTES + 1)
    if not data:
        raise UnusableAudio("audio_file", "0 bytes", "a recording as WAV, FLAC, OGG (Vorbis or Opus) or MP3")
    if len(data) > AUDIO_MAX_BYTES:
        raise UnusableAudio("audio_file", f"more than {AUDIO_MAX_BYTES} bytes", f"at most {AUDIO_MAX_BYTES} bytes")
    return data


def _transcription(heard: Any) -> Transcription | None:
    if heard is None:
        return None
    return Transcription(**{name: getattr(heard, name) for name in Transcription.model_fields})
