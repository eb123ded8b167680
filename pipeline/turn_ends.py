"""How the end of a turn is told to the person. Knows no books: whoever ends a turn has read them.

What is told is heard, so it is plain speech: what went wrong, and what can be done. What a program or whoever mends it
wants to know (stage, error, field, value, what would be right) stands beside it in the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.turns import FailureCode, StageFailed, TurnFailed

SORRY: Final[dict[FailureCode, str]] = {
    "invalid": "I could not take that in, because it came in a form that I cannot read. "
    "Please reach me another way, or ask whoever looks after the program that you use.",
    "unusable-audio": "I could not use that recording: it is of a kind that I cannot play. "
    "Please send it as another kind of sound file, such as MP3.",
    "deadline": "Sorry, that took me too long. Please try again.",
    "stage-failed": "Sorry, something went wrong while I worked on that. Please try again.",
    "too-many": "You have said more in the last minute than I can take in. Please try again in {wait}.",
    "busy": "I am still busy with what you said before. Please wait a moment and say it again.",
}
DONE_THEN_FAILED: Final = (
    "{} Then something went wrong, and I could not answer all of it. Please ask me again for the rest only."
)
USUAL_WAIT: Final = "a minute"  # where nobody has said how long

_ANY: Final = ""


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What was wrong with what the person sent, known by the field, and by how what would be right begins."""

    code: FailureCode
    fields: tuple[str, ...]
    expected: tuple[str, ...]
    sentence: str


_WRONG: Final = (
    _Wrong(
        "invalid",
        ("fact.text",),
        ("at least",),
        "I could not take that in: there was nothing in it. Please say it again.",
    ),
    _Wrong(
        "invalid",
        ("fact.text", "event"),
        ("at most",),
        "I could not take that in: it was too long. Please say it in shorter pieces.",
    ),
    _Wrong(
        "invalid",
        ("fact.text",),
        ("no control characters", "valid Unicode"),
        "I could not take that in: there are signs in it that nobody can say. Please say it in plain words.",
    ),
    _Wrong(
        "invalid",
        ("meta.time_zone",),
        (_ANY,),
        "I could not take that in: I do not know the time zone that came with it, so I would get your times wrong. "
        "Please choose another time zone and say it again.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.ref",),
        (_ANY,),
        "I could not use that recording: I could not find it. Please say it again.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.size_bytes",),
        ("at most",),
        "I could not use that recording: it was too large. Please say it in a shorter one.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.size_bytes",),
        (_ANY,),
        "I could not use that recording: there was nothing in it. Please say it again.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.audio_s",),
        ("at most",),
        "I could not use that recording: it was too long. Please say it in shorter pieces.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.audio_s",),
        ("at least",),
        "I could not use that recording: it was too short to hear a word in it. Please say it again.",
    ),
    _Wrong(
        "unusable-audio",
        ("audio.rate_hz", "audio.channels", "audio.samples"),
        (_ANY,),
        "I could not use that recording: it was made in an unusual way. "
        "Please record it again with the usual settings.",
    ),
)
_AT_INTAKE: Final = "keeper"  # who reads what the person's program has sent; what later stages read is Parley's own
_FROM_THE_PERSON: Final = ("meta.time_zone",)  # of "invalid": what the person gave, whoever finds that it is wrong


def failed(
    code: FailureCode,
    failure: StageFailed | None,
    done: Sequence[str] = (),
    wait_s: int | None = None,
    error: str | None = None,
) -> TurnFailed:
    """The end of a turn without a reply. `done`: what its skills had done by then, in their words.

    `wait_s`: after so many seconds the person may try again. `error`: what is known where no stage has failed.
    """
    message = DONE_THEN_FAILED.format(" ".join(done)) if done else _sorry(code, failure).format(wait=_spoken(wait_s))
    fact = TurnFailed(code=code, message=message, error=error, done=tuple(done))
    if failure is None:
        return fact
    details: dict[str, str | None] = {"stage": failure.failed_stage, "error": f"{failure.error}: {failure.message}"}
    details |= {"field": failure.field, "value": failure.value, "expected": failure.expected}
    return fact.model_copy(update=details)


def _sorry(code: FailureCode, failure: StageFailed | None) -> str:
    if failure is None:
        return SORRY[code]
    field, expected = failure.field or "", failure.expected or ""
    if code == "invalid" and failure.failed_stage != _AT_INTAKE and field not in _FROM_THE_PERSON:
        return SORRY["stage-failed"]
    for wrong in _WRONG:
        if code == wrong.code and field in wrong.fields and expected.startswith(wrong.expected):
            return wrong.sentence
    return SORRY[code]


def _spoken(wait_s: int | None) -> str:
    if wait_s is None:
        return USUAL_WAIT
    return "one second" if wait_s == 1 else f"{wait_s} seconds"
