"""The life of a turn, as the keeper tells it: opened once, then ended once as completed, failed or interrupted."""

from typing import ClassVar, Final, Literal

from pydantic import Field

from schemas.event import Blob, Count, Fact, Uuid7
from schemas.intake import Reward
from schemas.intents import IntentLabel
from schemas.subjects import TURN_END


class TextTurnOpened(Fact):
    """A typed turn's time has come: the one before it has ended."""

    once: ClassVar[bool] = True
    text: str


class SpeechTurnOpened(Fact):
    """A spoken turn's time has come: the one before it has ended."""

    once: ClassVar[bool] = True
    audio: Blob


OPENINGS: Final = (TextTurnOpened, SpeechTurnOpened)
"""What a turn that was opened begins with, one or the other."""


class TurnEnd(Fact):
    """Common to the three ends; they share a subject, so the bus refuses a second."""

    token: ClassVar[str] = TURN_END
    once: ClassVar[bool] = True


class TurnCompleted(TurnEnd):
    """The reply was generated and, when sound was wanted, spoken to the end."""

    reply: str
    sentences: Count
    audio_s: float | None = None  # length of the spoken reply; None when no sound was wanted


FailureCode = Literal[
    "invalid",  # the submission is not what the schemas or limits allow
    "unusable-audio",  # the sound cannot be decoded or breaks a limit
    "deadline",  # the turn's time was up
    "stage-failed",  # a stage gave up after its tries
    "busy",  # too many turns wait in this conversation
    "too-many",  # the user has had too many turns in the last minute
]


class TurnFailed(TurnEnd):
    """The turn ended without a reply. `message` is for the person, the rest for whoever mends it."""

    code: FailureCode
    message: str
    stage: str | None = None
    error: str | None = None
    field: str | None = None
    value: str | None = None
    expected: str | None = None
    done: tuple[str, ...] = ()  # what skills had done by then, in their words; `message` tells it too


class ApologyRequested(Fact):
    """A turn that wanted sound has failed: `text`, which is the failure's message, shall be spoken.

    Its deadline is its own: the turn's may have passed, and nobody waits for an apology for long.
    """

    once: ClassVar[bool] = True
    after_end: ClassVar[bool] = True
    text: str


class TurnInterrupted(TurnEnd):
    """The turn was stopped. `spoken` is what the person heard of the reply, and all that history keeps."""

    reason: str
    by: Uuid7 | None = None  # the turn that interrupted this one
    spoken: str = ""


class ReplyCutShort(Fact):
    """A completed turn's reply was stopped while it was being played. `spoken` is what the person heard of it.

    Sound is made faster than it is played, so most turns have completed when somebody speaks over their reply.
    """

    once: ClassVar[bool] = True
    after_end: ClassVar[bool] = True
    reason: str
    sentences_played: Count
    spoken: str


class StageFailed(Fact):
    """A stage gave up on an event for good; the original lies in the dead-letter stream."""

    failed_stage: str
    error: str  # class name
    message: str
    field: str | None = None
    value: str | None = None
    expected: str | None = None
    code: FailureCode = "stage-failed"
    tries: int = Field(ge=1)


class FeedbackRecorded(Fact):
    """Feedback passed intake and is on the record; the fields are those of FeedbackGiven."""

    about: Uuid7
    rating: Literal["up", "down"] | None = None
    correction: str | None = None
    comment: str | None = None
    intent: IntentLabel | None = None
    preferred: Count | None = None
    reward: Reward | None = None
    compared_with: Uuid7 | None = None
