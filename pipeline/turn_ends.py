"""How the end of a turn is told to the person. Knows no books: whoever ends a turn has read them."""

from collections.abc import Sequence
from typing import Final

from schemas.turns import FailureCode, StageFailed, TurnFailed

SORRY: Final[dict[FailureCode, str]] = {
    "invalid": "I could not take that in.",
    "unusable-audio": "I could not use that recording.",
    "deadline": "Sorry, that took me too long. Please try again.",
    "stage-failed": "Sorry, something went wrong while I worked on that. Please try again.",
    "too-many": "That was more than I can take in.",
    "busy": "I am still busy with what you said before. Please wait a moment and say it again.",
}
DONE_THEN_FAILED: Final = "{} Then something went wrong, and I could not answer all of it."
_INPUT: Final = ("invalid", "unusable-audio", "too-many")  # of which the person is told what would be right


def failed(code: FailureCode, failure: StageFailed | None, done: Sequence[str] = ()) -> TurnFailed:
    """The end of a turn without a reply. `done`: what its skills had done by then, in their words.

    Only what was wrong with the person's own input is told to the person; the rest is for whoever mends it.
    """
    expected = f" Expected: {failure.expected}." if failure and failure.field and code in _INPUT else ""
    message = DONE_THEN_FAILED.format(" ".join(done)) if done else f"{SORRY[code]}{expected}"
    fact = TurnFailed(code=code, message=message, done=tuple(done))
    if failure is None:
        return fact
    details: dict[str, str | None] = {"stage": failure.failed_stage, "error": f"{failure.error}: {failure.message}"}
    details |= {"field": failure.field, "value": failure.value, "expected": failure.expected}
    return fact.model_copy(update=details)
