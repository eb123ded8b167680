"""What a client says on the socket. Binary frames are microphone sound and have no class."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from schemas.errors import InvalidField
from schemas.event import Count, Frozen, TimeZone, Uuid7
from schemas.intake import COMMENT_MAX_CHARS, Reward, sayable
from schemas.intents import IntentLabel
from schemas.socket import VERSION_MAJOR

RATES_HZ: Final = (8_000, 48_000)  # the lowest and the highest of a microphone
TOKEN_MAX_CHARS: Final = 8_192
SAMPLE_MAX: Final = 2**48  # with which a stream may go on: 186 years at 48 kHz; what is counted from there is a Count


def _readable(version: str) -> str:
    major, _, minor = version.partition(".")
    if not (version.isascii() and major.isdigit() and minor.isdigit() and int(major) == VERSION_MAJOR):
        raise InvalidField("version", version, f"'{VERSION_MAJOR}.<minor>'")
    return version


class Hello(Frozen):
    """The first message. Without `conversation` a new one begins."""

    type: Literal["hello"] = "hello"
    version: Annotated[str, AfterValidator(_readable)]
    token: str | None = Field(default=None, max_length=TOKEN_MAX_CHARS, repr=False)  # or an Authorization header
    conversation: Uuid7 | None = None
    stream: str | None = Field(default=None, max_length=100)  # as `welcome` told it; in another `after` is void
    after: Count | None = None  # the last `seq` that was seen; 0: all that is still there; None: from now on
    audio_after: Count | None = None  # sound only of what came after this `seq`; None: as `after`
    speech: bool = True  # replies are wanted as sound too
    time_zone: TimeZone | None = None  # None: as configured


class Say(Frozen):
    """A typed turn. The client makes its id, so that saying it again after a lost connection is the same turn."""

    type: Literal["say"] = "say"
    turn: Uuid7 | None = None  # None: the gateway makes one
    text: Annotated[str, AfterValidator(sayable)]
    interrupts: bool = False  # ends the open turn instead of waiting for it
    speech: bool | None = None  # None: as `hello` said


class Microphone(Frozen):
    """Sound follows as binary frames, until `close` or another `microphone`.

    `stream` names the sound from its first sample on. Who goes on after a lost connection names the same one and begins
    with the sample that the last `accepted` told (or with 0): what was accepted is not taken twice.
    """

    type: Literal["microphone"] = "microphone"
    stream: Uuid7
    rate_hz: Annotated[int, Field(ge=RATES_HZ[0], le=RATES_HZ[1])]
    first_sample: Annotated[int, Field(ge=0, le=SAMPLE_MAX)] = (
        0  # of the next binary frame, counted at rate_hz from the stream's beginning
    )
    ends_turn: Literal["silence", "close"] = (
        "silence"  # who decides that an utterance is over: the listener, or `close`
    )


class Close(Frozen):
    """No sound follows: what was spoken so far is a turn."""

    type: Literal["close"] = "close"
    discard: bool = False  # what was spoken since the last turn is forgotten


class Interrupt(Frozen):
    """Stop answering."""

    type: Literal["interrupt"] = "interrupt"
    turn: Uuid7
    sentences_played: Count | None = None  # how much was heard; None: all that was sent


class Played(Frozen):
    """A sentence was heard to its end; also `index` None: the loudspeaker is silent."""

    type: Literal["played"] = "played"
    turn: Uuid7
    index: Count | None = None


class Feedback(Frozen):
    """What somebody thinks of the reply to a turn; as schemas.intake.FeedbackGiven."""

    type: Literal["feedback"] = "feedback"
    turn: Uuid7
    rating: Literal["up", "down"] | None = None
    correction: str | None = Field(default=None, max_length=COMMENT_MAX_CHARS)
    comment: str | None = Field(default=None, max_length=COMMENT_MAX_CHARS)
    intent: IntentLabel | None = None
    preferred: Count | None = None
    reward: Reward | None = None


class Ping(Frozen):
    """Answered with `pong` and the same `id`."""

    type: Literal["ping"] = "ping"
    id: str = Field(default="", max_length=100)


Said = Annotated[Hello | Say | Microphone | Close | Interrupt | Played | Feedback | Ping, Field(discriminator="type")]
SAID: Final[TypeAdapter[Any]] = TypeAdapter(Said)
