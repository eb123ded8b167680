"""Says what was done, from the skills' own messages: facts are never left to a model.

Changes nothing in a message but how it is joined to its neighbour.
"""

from collections.abc import Sequence
from typing import Final

from schemas.tasks import TaskOutcome
from stages.chat.sentences import sentences_of

_JOINED_MAX_CHARS: Final = 160  # two messages that are longer together stay two sentences
_FULL_STOPS: Final = (".", "!", "?", "…", '."', ".'", ".”")


def acknowledged(tasks: Sequence[TaskOutcome]) -> list[str]:
    """The sentences that tell the outcomes, in the order in which they were done."""
    messages: list[tuple[str, bool]] = []
    for task in tasks:
        told = _closed(" ".join(task.message.split()))
        if told and (told, task.success) not in messages:
            messages.append((told, task.success))
    if len(messages) == 2 and (joined := _joined(messages[0], messages[1])):
        return [joined]
    return [sentence for message, _ in messages for sentence in sentences_of(message)]


def _joined(first: tuple[str, bool], second: tuple[str, bool]) -> str | None:
    """Two short "I ..." messages as one sentence; None when they do not fit together."""
    (one, one_done), (other, other_done) = first, second
    speaks_of_itself = all(text.startswith(("I ", "I'", "I’")) for text in (one, other))
    single = all(len(sentences_of(text)) == 1 and text.endswith(".") for text in (one, other))
    if not speaks_of_itself or not single or len(one) + len(other) > _JOINED_MAX_CHARS:
        return None
    return f"{one[:-1]}, {'and' if one_done == other_done else 'but'} {other}"


def _closed(message: str) -> str:
    return message if not message or message.endswith(_FULL_STOPS) else f"{message}."
