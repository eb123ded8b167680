"""All events there are, and how bytes from the bus become one of them. The only place that knows every kind."""

from functools import cache
from typing import Any, Final, TypeVar

import pydantic

from schemas import chat, history, intake, intents, persona, replay, speech, tasks, turns
from schemas.errors import InvalidField, NewerSchema
from schemas.event import PAYLOAD_MAX_BYTES, SCHEMA_MAJOR, Event, Fact
from schemas.refusals import expected_by

TURN_SUBMISSIONS: Final[tuple[type[Fact], ...]] = (intake.TextSubmitted, intake.AudioSubmitted)
REQUESTS: Final[tuple[type[Fact], ...]] = (
    intake.InterruptRequested,
    intake.FeedbackGiven,
    persona.PersonaGiven,
    history.HistoryForgetGiven,
)
OPEN_NO_TURN: Final[tuple[type[Fact], ...]] = (intake.FeedbackGiven, persona.PersonaGiven, history.HistoryForgetGiven)
"""Requests that do nothing to the turn in whose name they travel: when one is refused, no turn fails."""
SUBMISSIONS: Final[tuple[type[Fact], ...]] = (*TURN_SUBMISSIONS, *REQUESTS)
FACTS: Final[tuple[type[Fact], ...]] = (
    turns.TextTurnOpened,
    turns.SpeechTurnOpened,
    speech.TranscriptReady,
    intents.IntentClassified,
    tasks.TaskCompleted,
    chat.ReplyRequested,
    chat.SentenceGenerated,
    chat.ReplyGenerated,
    chat.SentenceChosen,
    chat.ReplyChosen,
    speech.SpeechReady,
    turns.TurnCompleted,
    turns.TurnFailed,
    turns.TurnInterrupted,
    turns.ReplyCutShort,
    turns.ApologyRequested,
    speech.ApologySpoken,
    turns.StageFailed,
    turns.FeedbackRecorded,
    persona.PersonaUpdated,
    history.HistoryForgotten,
    tasks.ReminderDue,
    replay.TurnReplayed,
)
M = TypeVar("M", bound=pydantic.BaseModel)
BY_NAME: Final[dict[str, type[Fact]]] = {fact.__name__: fact for fact in (*SUBMISSIONS, *FACTS)}


@cache
def _reader(fact: type[Fact]) -> type[Event[Any]]:
    return Event[fact]  # type: ignore[valid-type]  # a runtime parameter is how pydantic builds the reader


class _Kind(pydantic.BaseModel):
    """The two fields that decide how the rest is read."""

    class _Meta(pydantic.BaseModel):
        type: str
        schema_version: str

    meta: _Meta


def decode(payload: bytes, type_hint: str | None = None) -> Event[Fact]:
    """Read an event from its JSON.

    `type_hint` (the bus's header) saves one pass over the bytes; the event's own `meta.type` must agree with it.
    Raises InvalidField (not JSON, a missing or wrong field, an unknown type, too large) or NewerSchema.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise InvalidField("event", f"{len(payload)} bytes", f"at most {PAYLOAD_MAX_BYTES} bytes")
    fact = BY_NAME.get(type_hint or "")
    if fact is None:
        kind = checked(_Kind, payload)
        _refuse_newer(kind.meta.schema_version)
        fact = BY_NAME.get(kind.meta.type)
        if fact is None:
            raise InvalidField("meta.type", kind.meta.type, f"one of {', '.join(sorted(BY_NAME))}")
    try:
        event: Event[Fact] = checked(_reader(fact), payload)
    except InvalidField:
        # A newer event or a wrong header, told as such, explains more than the first field that it led astray.
        meta = checked(_Kind, payload).meta
        _refuse_newer(meta.schema_version)
        _refuse_other(meta.type, fact)
        raise
    _refuse_newer(event.meta.schema_version)
    _refuse_other(event.meta.type, fact)
    return event


def arrived(subject: str, payload: bytes, type_hint: str | None = None) -> Event[Fact]:
    """Read an event that came on `subject`, which must be its own: raises InvalidField when it is another's.

    What may say something on a subject is the bus's business; that it can speak for no other turn is decided here.
    """
    event = decode(payload, type_hint)
    if event.subject != subject:
        raise InvalidField("subject", subject, f"{event.subject}, as the event's meta says")
    return event


def _refuse_other(found: str, fact: type[Fact]) -> None:
    if found != fact.__name__:
        raise InvalidField("meta.type", found, f"{fact.__name__!r}, as the message's header says")


def _refuse_newer(version: str) -> None:
    major, _, minor = version.partition(".")
    if not (version.isascii() and major.isdigit() and minor.isdigit()):
        raise InvalidField("meta.schema_version", version, f"'{SCHEMA_MAJOR}.<minor>'")
    if int(major) > SCHEMA_MAJOR:
        raise NewerSchema(version, SCHEMA_MAJOR)
    if int(major) < SCHEMA_MAJOR:
        raise InvalidField("meta.schema_version", version, f"'{SCHEMA_MAJOR}.<minor>'")


def checked(model: type[M], payload: bytes) -> M:
    """Validate JSON, with the first mistake told as field, value and what would be right."""
    try:
        return model.model_validate_json(payload)
    except pydantic.ValidationError as refused:
        raise first_mistake(refused, "event", "an event") from None


def first_mistake(refused: pydantic.ValidationError, whole: str, a_whole: str) -> InvalidField:
    """The first thing that is wrong; `whole` is the field's name when all of it is, as in "event", "an event"."""
    first = refused.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or whole
    if first["type"] == "missing":
        return InvalidField(field, "(missing)", "a value: this field is required")
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tags = first["ctx"].get("expected_tags", "a name")
        return InvalidField("type", first["ctx"].get("tag", "(missing)"), f"one of {tags}")
    if first["type"] == "json_invalid":
        told = first["msg"].removeprefix("Invalid JSON: ")
        return InvalidField(field, first.get("input"), f"{a_whole} as JSON ({told})")
    return InvalidField(field, first.get("input"), expected_by(first))
