"""What front-ends submit: a turn as sound or text, an interruption, feedback. Heard by the keeper only."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.errors import InvalidField
from schemas.event import Blob, Count, Fact, Uuid7
from schemas.intents import IntentLabel

TEXT_MAX_CHARS = 4_000  # about ten minutes of speech; longer texts are documents, not turns
COMMENT_MAX_CHARS = 2_000
Reward = Annotated[float, Field(ge=-1, le=1)]


def sayable(text: str) -> str:
    """Text that a person can have said: not empty, no control characters, no lone surrogates. Raises InvalidField."""
    if not text.strip():
        raise InvalidField("text", text, "at least one character that is not white space")
    if len(text) > TEXT_MAX_CHARS:
        raise InvalidField("text", text, f"at most {TEXT_MAX_CHARS} characters")
    for at, char in enumerate(text):
        if (ord(char) < 0x20 and char not in "\t\n\r") or 0x7F <= ord(char) < 0xA0:
            raise InvalidField("text", text, f"no control characters (U+{ord(char):04X} stands at {at})")
        if 0xD800 <= ord(char) <= 0xDFFF or char == "\ufffd":
            raise InvalidField("text", text, f"valid Unicode (U+{ord(char):04X} stands at {at})")
    return text


class Submission(Fact):
    """Common to what opens a turn."""

    interrupts: bool = False  # ends the conversation's open turn instead of waiting for it


class TextSubmitted(Submission):
    """Somebody typed a turn."""

    text: Annotated[str, AfterValidator(sayable)]


class AudioSubmitted(Submission):
    """Somebody spoke a turn; the sound lies in the blob store."""

    audio: Blob


class InterruptRequested(Fact):
    """The turn that this event's meta names shall stop now."""

    reason: str = Field(default="stopped by the user", max_length=200)
    sentences_played: Count | None = None  # how much was heard; None: all that was sent


class FeedbackGiven(Fact):
    """What somebody thought of the reply to a turn that has ended: at least one of these things is said."""

    about: Uuid7  # the turn
    rating: Literal["up", "down"] | None = None
    correction: str | None = Field(default=None, max_length=COMMENT_MAX_CHARS)  # what the reply should have been
    comment: str | None = Field(default=None, max_length=COMMENT_MAX_CHARS)
    intent: IntentLabel | None = None  # what the turn should have been taken for
    preferred: Count | None = None  # the candidate of the turn's reply that should have been chosen, from 0
    reward: Reward | None = None  # how good the reply is; with `compared_with`, how much better than that turn's
    compared_with: Uuid7 | None = None  # another turn

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(value is None for name, value in self if name not in ("about", "compared_with")):
            raise InvalidField("fact", None, "at least one of rating, correction, comment, intent, preferred, reward")
        if self.compared_with is not None and self.reward is None:
            raise InvalidField("reward", None, "a reward from -1 to 1 with compared_with: how much better it is")
        if self.compared_with == self.about:
            raise InvalidField("compared_with", self.compared_with, "another turn than the one that it is about")
        return self
