"""What programs are told of a turn: the models of several endpoints' answers, made from its events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, cast

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.front_end import FollowedTurn
from pipeline.turn_result import STATUS, reply_of, spoken, timings_ms
from schemas.chat import EngineUse, ReplyGenerated, ReplyRequested
from schemas.intents import Intent, IntentClassified, IntentLabel, Slots
from schemas.speech import ApologySpoken, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import OPENINGS, FailureCode, FeedbackRecorded, SpeechTurnOpened, TextTurnOpened, TurnEnd, TurnFailed

UNOPENED: Final = "Null of a turn that ended before it was opened: refused, or stopped while it waited."
Status = Literal["open", "completed", "failed", "interrupted"]


class SlotsTold(Slots):
    """What an intent is about; slots that are absent are left out."""

    @model_serializer(mode="wrap")
    def _present(self, whole: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]  # else the schema is lost
        told = whole(self)
        return {name: value for name, value in told.items() if value is not None and value is not False}


class IntentTold(BaseModel):
    """One thing wanted, with the part of the utterance that says so."""

    label: IntentLabel
    confidence: float
    text: str
    slots: SlotsTold
    decided_by: Literal["head", "engine", "fallback"]

    @classmethod
    def of(cls, intent: Intent) -> "IntentTold":
        slots = SlotsTold.model_construct(**dict(intent.slots))
        told = {name: getattr(intent, name) for name in cls.model_fields if name != "slots"}
        return cls(**told, slots=slots)


class StepTold(BaseModel):
    """One stage's share of a turn, in milliseconds: the longest wait of an event, and all the work."""

    stage: str
    queue_ms: float
    work_ms: float


class SentenceSpoken(BaseModel):
    """One sentence of the reply as sound."""

    index: int
    text: str
    audio_s: float
    rate_hz: int
    url: str = Field(description="Where its WAV file is.")


class Transcription(BaseModel):
    """What was heard."""

    text: str
    audio_s: float
    confidence: float | None = None
    empty_because: Literal["silence", "noise"] | None = None


class ModelInfo(BaseModel):
    """What made the reply; null where nothing did."""

    model_name: str | None = Field(default=None, description="`rules` without a model, `none` for a skill's own words.")
    inference_engine: str | None = Field(
        default=None, description="`contextual` without a model, `fixed` for a skill's own words."
    )
    response_time: float = Field(description="Seconds from the request to the end of the turn.")


class Failure(BaseModel):
    """Why a turn has no reply."""

    code: FailureCode
    message: str
    stage: str | None = None
    field: str | None = None
    value: str | None = None
    expected: str | None = None


class TurnTold(BaseModel):
    """One turn, as far as it has come."""

    turn: str
    conversation: str
    number: int
    user: str
    status: Status
    spoken: bool | None = Field(default=None, description=f"Whether it was said aloud, not typed. {UNOPENED}")
    opened_at: datetime | None = Field(default=None, description=UNOPENED)
    ended_at: datetime | None = None
    text: str | None = Field(default=None, description="What was typed or heard; null while it is not known.")
    intents: list[IntentTold]
    tasks: list[TaskOutcome]
    clarification: str | None = Field(default=None, description="What was asked back.")
    reply: str | None = Field(
        default=None, description="Of an interrupted turn what was heard of it; of a failed one why."
    )
    engine: EngineUse | None = None
    speech: list[SentenceSpoken]
    recording: str | None = Field(default=None, description="Where the recording is, of a spoken turn.")
    steps: list[StepTold]
    error: Failure | None = None
    feedback: list[FeedbackRecorded]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                    "conversation": "019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
                    "number": 3,
                    "user": "ann",
                    "status": "completed",
                    "spoken": False,
                    "opened_at": "2026-11-20T09:30:15.123456Z",
                    "ended_at": "2026-11-20T09:30:15.423456Z",
                    "text": "hello",
                    "intents": [
                        {"label": "chit_chat", "confidence": 0.98, "text": "hello", "slots": {}, "decided_by": "head"}
                    ],
                    "tasks": [],
                    "clarification": None,
                    "reply": "Hello!",
                    "engine": {
                        "backend": "llama.cpp",
                        "model": "smollm2-135m-instruct",
                        "fallback": False,
                        "reason": None,
                    },
                    "speech": [],
                    "recording": None,
                    "steps": [{"stage": "intent", "queue_ms": 1.2, "work_ms": 51.4}],
                    "error": None,
                    "feedback": [],
                }
            ]
        }
    }


def turn_told(turn: FollowedTurn) -> TurnTold:
    """All of it."""
    opened = next((t.event for t in turn.told if isinstance(t.event.fact, OPENINGS)), None)
    end = turn.ended
    ended = next((t.event.meta for t in turn.told if t.event.fact is end), None)
    requested, generated = turn.last(ReplyRequested), turn.last(ReplyGenerated)
    aloud = isinstance(opened.fact, SpeechTurnOpened) if opened else None
    return TurnTold(
        turn=turn.meta.turn,
        conversation=turn.meta.conversation,
        number=turn.meta.number,
        user=turn.meta.user,
        status=status_of(end),
        spoken=aloud,
        opened_at=opened.meta.time if opened else None,
        ended_at=ended.time if ended else None,
        text=text_of(turn),
        intents=intents_of(turn),
        tasks=tasks_of(turn),
        clarification=requested.clarification if requested else None,
        reply=reply_of(end),
        engine=generated.engine if generated else None,
        speech=speech_of(turn),
        recording=f"/api/turns/{turn.meta.turn}/recording" if aloud else None,
        steps=steps_of(turn),
        error=Failure(**end.model_dump(include=set(Failure.model_fields))) if isinstance(end, TurnFailed) else None,
        feedback=turn.every(FeedbackRecorded),
    )


def status_of(end: TurnEnd | None) -> Status:
    return cast("Status", STATUS.get(type(end), "open"))


def text_of(turn: FollowedTurn) -> str | None:
    heard, typed = turn.last(TranscriptReady), turn.last(TextTurnOpened)
    return heard.text if heard else typed.text if typed else None


def intents_of(turn: FollowedTurn) -> list[IntentTold]:
    classified = turn.last(IntentClassified)
    return [IntentTold.of(intent) for intent in classified.intents] if classified else []


def tasks_of(turn: FollowedTurn) -> list[TaskOutcome]:
    return [task.outcome for task in turn.every(TaskCompleted)]


def steps_of(turn: FollowedTurn) -> list[StepTold]:
    return [
        StepTold(stage=stage, queue_ms=took["queue"], work_ms=took["work"])
        for stage, took in timings_ms(turn.told).items()
    ]


def speech_of(turn: FollowedTurn) -> list[SentenceSpoken]:
    """What can be fetched as sound, in the order of the reply."""
    sentences: Sequence[SpeechReady | ApologySpoken] = spoken(turn)
    return [
        SentenceSpoken(
            index=index,
            text=sentence.text,
            audio_s=sentence.audio_s,
            rate_hz=sentence.rate_hz,
            url=f"/api/turns/{turn.meta.turn}/speech/{index}",
        )
        for index, sentence in enumerate(sentences)
    ]


def used_context(turn: FollowedTurn) -> bool:
    """Whether the reply was made from more than the message: earlier turns, or what skills have done in this one."""
    requested = turn.last(ReplyRequested)
    return bool(requested and (requested.history or requested.tasks))


def model_info_of(turn: FollowedTurn, took_s: float) -> ModelInfo:
    """As the seed has it."""
    generated = turn.last(ReplyGenerated)
    engine = generated.engine if generated else None
    return ModelInfo(
        model_name=engine.model if engine else None,
        inference_engine=engine.backend if engine else None,
        response_time=round(took_s, 3),
    )
