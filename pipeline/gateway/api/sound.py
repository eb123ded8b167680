"""The sound of a turn: each sentence of the reply, and the recording."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from infra.audio import WAV_MEDIA_TYPE
from infra.blobs.port import BlobMissing
from pipeline.front_end import FollowedTurn
from pipeline.gateway.api.access import turn_for
from pipeline.gateway.api.refusals import Gone
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.refusals import NotFound, responses
from pipeline.turn_result import spoken
from schemas.event import Blob
from schemas.turns import SpeechTurnOpened

SENTENCES_MAX: Final = 1_000
UNKNOWN: Final = "application/octet-stream"
SOUND: Final = frozenset(
    {"audio/wav", "audio/x-wav", "audio/flac", "audio/ogg", "audio/mpeg", "audio/aiff", "audio/webm"}
)
"""Media types that are told again. Whoever sent a recording named its type: another could make a page of it."""

_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_WAV: Final = {"description": "A WAV file (PCM s16le mono).", "content": {WAV_MEDIA_TYPE: _BYTES}}
_RECORDING: Final = {
    "description": "The recording as it was sent.",
    "content": dict.fromkeys((*SOUND, UNKNOWN), _BYTES),
}

router = APIRouter(prefix="/api/turns", tags=["turns"])
Turn = Annotated[FollowedTurn, turn_for("read", "sound")]
Index = Annotated[int, Path(ge=0, lt=SENTENCES_MAX, description="The sentence's place in the reply, from 0.")]


@router.get(
    "/{turn}/speech/{index}",
    summary="A spoken sentence",
    response_class=Response,
    responses={**responses(401, 404, 410, 422, 429, 503, 504), 200: _WAV},
)
async def speech(index: Index, given: Given, found: Turn) -> Response:
    """One sentence of the reply as sound, as soon as it is spoken; of a failed turn the apology."""
    sentences = spoken(found)
    if index >= len(sentences):
        raise NotFound(f"of this turn {len(sentences)} sentences have been spoken")
    return await _sound(given, sentences[index].audio, WAV_MEDIA_TYPE)


@router.get(
    "/{turn}/recording",
    summary="What was said, as sound",
    response_class=Response,
    responses={**responses(401, 404, 410, 422, 429, 503, 504), 200: _RECORDING},
)
async def recording(given: Given, found: Turn) -> Response:
    """The recording of a spoken turn, as long as it is kept (`audio.keep`, `audio.keep_days`)."""
    opened = found.last(SpeechTurnOpened)
    if opened is None:
        raise NotFound("this turn was typed, or never opened; it has no recording")
    media_type = opened.audio.media_type.partition(";")[0].strip().lower()
    return await _sound(given, opened.audio, media_type if media_type in SOUND else UNKNOWN)


async def _sound(given: Gateway, blob: Blob, media_type: str) -> Response:
    try:
        data = await given.blobs.get(blob)
    except BlobMissing:
        raise Gone("this sound is not kept any longer") from None
    return Response(data, media_type=media_type, headers={"Content-Disposition": "attachment"})
