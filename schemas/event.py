"""What every event carries, how one follows from another, and how it is written as JSON.

Knows no particular event: those stand one domain a file beside this one, and schemas/catalogue.py lists them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas import ids, subjects
from schemas.ids import ConversationId, EventId, RunId, Tenant, TurnId, UserId

SCHEMA_MAJOR = 1
# 1: feedback may name an intent, a candidate, a reward and another turn; 2: replayed turns, persona updates;
# 3: replies that were cut short after their turn's end, forgotten history
SCHEMA_MINOR = 3
SCHEMA_VERSION = f"{SCHEMA_MAJOR}.{SCHEMA_MINOR}"
PAYLOAD_MAX_BYTES = 64 * 1024  # larger things (sound) go to the blob store and travel by reference


# Checked by pydantic's own regular expressions: six of them stand in each event, and a call into Python costs as much
# as all of them. What would be right is told by schemas/catalogue.py.
Token = Annotated[str, Field(pattern=f"^{ids.TOKEN_PATTERN}$")]
Uuid7 = Annotated[str, Field(pattern=f"^{ids.UUID7_PATTERN}$")]
TimeZone = Annotated[str, Field(pattern=f"^{ids.TIME_ZONE_PATTERN}$")]
Id = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]  # it travels as a header: visible ASCII, no line breaks
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]  # what every reader of JSON, and every database, holds exactly


class Frozen(BaseModel):
    """Immutable, and tolerant of optional fields that a later minor version may have added.

    Numbers are finite: JSON has no others, so an infinity would be written as null and refused by the next reader.
    """

    # pydantic would keep the last 16,384 short strings that it has read, nearly all of them ids that never come again:
    # 1.4 MB in each process, reached after some 8,000 turns.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, cache_strings="keys")


class Fact(Frozen):
    """What happened, in the past tense: the part of an event that differs from event to event."""

    token: ClassVar[str]
    """The last token of the subject; the class's own name unless several classes share one subject."""
    once: ClassVar[bool] = False
    """Said at most once a turn, ever: the bus refuses a second on the same subject."""
    after_end: ClassVar[bool] = False
    """Wanted although its turn has ended; all else that is heard of an ended turn is left undone."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        parent: str = getattr(cls.__mro__[1], "token", cls.__mro__[1].__name__)
        shared = parent != cls.__mro__[1].__name__  # declared by a parent for all of its kinds, as the turn's end does
        if "token" not in cls.__dict__ and not shared:
            cls.token = cls.__name__


class Meta(Frozen):
    """What all events of a turn share, and where this one stands among them."""

    id: Id
    type: str
    schema_version: str = SCHEMA_VERSION
    tenant: Token = ids.DEFAULT_TENANT
    run: Token = ids.LIVE_RUN
    conversation: Uuid7
    turn: Uuid7
    number: Count = 0  # the turn's place in its conversation; 0 until the keeper has given one
    user: Token
    cause: Id | None = None  # the id of the event because of which this one was said
    stage: Token = "front-end"  # who said it
    time: AwareDatetime
    deadline: AwareDatetime | None = None  # set by the keeper when it opens the turn
    time_zone: TimeZone = "UTC"  # IANA name: the user's
    speech: bool = True  # the reply is wanted as sound too

    @property
    def tenant_id(self) -> Tenant:
        return Tenant(self.tenant)

    @property
    def run_id(self) -> RunId:
        return RunId(self.run)

    @property
    def conversation_id(self) -> ConversationId:
        return ConversationId(self.conversation)

    @property
    def turn_id(self) -> TurnId:
        return TurnId(self.turn)

    @property
    def user_id(self) -> UserId:
        return UserId(self.user)

    @property
    def event_id(self) -> EventId:
        return EventId(self.id)


F_co = TypeVar("F_co", bound=Fact, covariant=True)


class Event(Frozen, Generic[F_co]):
    """One fact with its meta: what travels on the bus and lands in the log."""

    meta: Meta
    fact: F_co

    @property
    def subject(self) -> str:
        m = self.meta
        return subjects.subject_of(m.tenant_id, m.run_id, m.conversation_id, m.turn_id, self.fact.token)

    def encoded(self) -> bytes:
        """The event as JSON (UTF-8): `{"meta": {...}, "fact": {...}}`, the same bytes for the same event."""
        return b'{"meta":%b,"fact":%b}' % (self.meta.model_dump_json().encode(), self.fact.model_dump_json().encode())

    def following(self, stage: str, index: int, fact: "Fact", time: datetime, **changed: object) -> "Event[Fact]":
        """The event that `stage` says as its `index`-th because of this one.

        `changed` sets meta fields that differ from the cause's (the keeper sets number and deadline).
        """
        meta = self.meta
        cause = meta.id
        update: Mapping[str, object] = {
            "id": ids.event_id(meta.turn_id, meta.run_id, cause, stage, index),
            "type": type(fact).__name__,
            "schema_version": SCHEMA_VERSION,
            "cause": cause,
            "stage": stage,
            "time": time,
            **changed,
        }
        return _SAID.model_construct(meta=meta.model_copy(update=update), fact=fact)

    @classmethod
    def first(cls, fact: "Fact", meta: Meta) -> Self:
        """An event without a cause: what a front-end submits."""
        return cls.model_construct(meta=meta, fact=fact)


_SAID = Event[Fact]  # once: looking it up takes as long as making one


class Blob(Frozen):
    """A reference to bytes in the blob store: never the bytes themselves."""

    ref: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    media_type: str = Field(max_length=100)
    size_bytes: Count
