"""What the gateway tells on the socket. The bytes of `audio` follow it as one binary frame."""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from schemas.event import Count, Frozen, Uuid7
from schemas.intents import Intent
from schemas.socket import VERSION
from schemas.tasks import TaskOutcome
from schemas.turns import FailureCode


class Limits(Frozen):
    """What this gateway takes."""

    frame_max_bytes: Count  # of one frame from the client
    utterance_max_s: float  # longer ones are cut
    idle_s: float  # without a message from the client the socket is closed


class Welcome(Frozen):
    """The answer to `hello`: who the client is taken for, and in which conversation."""

    type: Literal["welcome"] = "welcome"
    version: str = VERSION
    conversation: Uuid7
    user: str
    stream: str  # which stream `seq` counts in: the bus may come back without its data, and count anew
    after: Count  # messages with a larger `seq` follow
    speech: bool
    limits: Limits


class CaughtUp(Frozen):
    """All that had happened before `welcome` has been told."""

    type: Literal["caught-up"] = "caught-up"
    seq: Count  # go on after it


class Accepted(Frozen):
    """The bus has taken the turn: it will end, whatever happens to this gateway.

    A spoken one tells which samples of the microphone's stream it took; the next sound begins at `until_sample`.
    """

    type: Literal["accepted"] = "accepted"
    turn: Uuid7
    stream: Uuid7 | None = None
    until_sample: Count | None = None


class Listening(Frozen):
    """What the listener makes of the microphone. `confirmed`: somebody really speaks, so an answer is interrupted.

    `dropped`: it was no speech after all, and no turn is made of it; `over`: a turn is made, see `accepted`.
    """

    type: Literal["listening"] = "listening"
    stream: Uuid7
    state: Literal["open", "speech", "confirmed", "pause", "dropped", "over", "closed"]
    at_sample: Count
    reason: Literal["end-of-turn", "silence", "longest", "closed"] | None = None  # why an utterance is over


class Partial(Frozen):
    """What is heard so far of the utterance that is being spoken; each replaces the one before."""

    type: Literal["partial"] = "partial"
    stream: Uuid7
    text: str
    audio_s: float


class Timing(Frozen):
    """How the stage came to say it."""

    stage: str
    queue_ms: float
    work_ms: float
    attempt: int


class OfTurn(Frozen):
    """Common to what an event of a turn tells."""

    seq: Count
    turn: Uuid7
    number: Count  # of the turn in its conversation
    time: AwareDatetime
    by: Timing


class Opened(OfTurn):
    """The turn's time has come. `text` of a typed one."""

    type: Literal["opened"] = "opened"
    text: str | None = None
    spoken: bool


class Transcript(OfTurn):
    """What was heard; final."""

    type: Literal["transcript"] = "transcript"
    text: str
    audio_s: float
    confidence: float | None
    empty_because: Literal["silence", "noise"] | None = None


class Intents(OfTurn):
    """What was understood."""

    type: Literal["intents"] = "intents"
    intents: tuple[Intent, ...]


class Task(OfTurn):
    """What a skill did, or why not."""

    type: Literal["task"] = "task"
    outcome: TaskOutcome


class Clarification(OfTurn):
    """What is asked back, because something could not be understood or done."""

    type: Literal["clarification"] = "clarification"
    question: str


class Sentence(OfTurn):
    """A sentence of the reply."""

    type: Literal["sentence"] = "sentence"
    index: Count
    text: str
    last: bool


class Audio(OfTurn):
    """A sentence as sound: a WAV file, which follows as one binary frame of `size_bytes`.

    With size_bytes 0 no frame follows: the sound is not wanted (`audio_after`), or is kept no longer.
    """

    type: Literal["audio"] = "audio"
    index: Count
    text: str
    last: bool
    audio_s: float
    rate_hz: int
    size_bytes: Count
    apology: bool = False  # why there is no reply, after `ended`


class Stage(OfTurn):
    """A stage has done its work, of which nothing else is told."""

    type: Literal["stage"] = "stage"
    event: str  # what it said, e.g. ReplyGenerated
    engine: str | None = None  # backend and model that generated the reply
    fallback: bool = False


class Ended(OfTurn):
    """The turn has ended; exactly once."""

    type: Literal["ended"] = "ended"
    outcome: Literal["completed", "failed", "interrupted"]
    reply: str  # all of it; of an interrupted turn what counts as heard, of a failed one what to tell the person
    code: FailureCode | None = None
    reason: str | None = None


class CutShort(OfTurn):
    """The reply of a turn that had ended was stopped while it was played; `reply` is what counts as heard."""

    type: Literal["cut-short"] = "cut-short"
    sentences_played: Count
    reply: str


Ends = Ended | CutShort


class Recorded(OfTurn):
    """Feedback on this turn is on the record."""

    type: Literal["recorded"] = "recorded"


class Reminder(Frozen):
    """A reminder of this user has fallen due."""

    type: Literal["reminder"] = "reminder"
    id: str
    message: str
    due_at: AwareDatetime


class Problem(Frozen):
    """What is not in order, as RFC 9457 names it. `fatal`: the socket is closed next."""

    type: Literal["problem"] = "problem"
    problem: str  # a URI reference that names the kind, e.g. "/problems/busy"
    title: str
    status: int
    detail: str
    field: str | None = None
    value: str | None = None
    expected: str | None = None
    turn: Uuid7 | None = None
    retry_after_s: float | None = None
    fatal: bool = False


class Pong(Frozen):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    id: str


FromEvent = Opened | Transcript | Intents | Task | Clarification | Sentence | Audio | Stage | Ends | Recorded

Told = Annotated[
    Welcome | CaughtUp | Accepted | Listening | Partial | FromEvent | Reminder | Problem | Pong,
    Field(discriminator="type"),
]
TOLD: Final[TypeAdapter[Any]] = TypeAdapter(Told)
