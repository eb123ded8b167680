"""Composes the request for a reply: what was done, what to talk about, what to ask back, what was said before.

Pure: everything is given.
"""

from collections.abc import Sequence
from typing import Final

from infra.state.history import Said
from infra.state.questions import Question
from schemas.chat import HistoryEntry, ReplyRequested
from schemas.event import PAYLOAD_MAX_BYTES
from schemas.intents import TALK, Intent, IntentClassified, IntentLabel
from schemas.tasks import TaskOutcome
from stages.router.asked import quoted

META_MAX_BYTES: Final = 4 * 1024  # what an event's meta takes at the most, with room to spare
BODY_MAX_BYTES: Final = PAYLOAD_MAX_BYTES - META_MAX_BYTES

OUTCOME_MAX_BYTES: Final = 12 * 1024  # of one task; several of them fit into an event
_VALUE_MAX_CHARS: Final = 1_000

SILENCE: Final = "I didn't hear anything."
NOISE: Final = "I could only hear noise, no words. Could you say that again?"
NOT_UNDERSTOOD: Final = (
    "I'm not sure what to do with {said}. I can keep reminders, notes, debts, expenses, events and friends, "
    "and we can talk about anything."
)

NOT_YET: Final = "I've done nothing about {said} yet; please say that again on its own."


def compose(
    heard: IntentClassified,
    tasks: Sequence[tuple[int, TaskOutcome]],
    history: Sequence[Said],
    question: Question | None,
    asked: Question | None,
) -> ReplyRequested:
    """The request. `tasks` come with the index of their intent.

    `question` is one of an earlier turn, still open; `asked` the one that this turn has asked and that is remembered.
    """
    acted = {index for index, _ in tasks}
    left = [intent for index, intent in enumerate(heard.intents) if index not in acted]
    reply = ReplyRequested(
        text=heard.text,
        talk=tuple(intent.text for intent in left if intent.label in TALK),
        tasks=tuple(outcome for _, outcome in tasks),
        clarification=_clarification(heard, left, [outcome for _, outcome in tasks], question, asked),
    )
    return _within_limit(reply, history)


def without_bulk(outcome: TaskOutcome) -> TaskOutcome:
    """The outcome as it fits into an event: one that found too much keeps its small values and says `cut`."""
    if len(outcome.model_dump_json().encode()) <= OUTCOME_MAX_BYTES:
        return outcome
    small = {name: value for name, value in outcome.data.items() if not isinstance(value, list | dict)}
    kept = {name: value for name, value in small.items() if len(str(value)) <= _VALUE_MAX_CHARS}
    return outcome.model_copy(update={"data": {**kept, "cut": True}})


def _clarification(
    heard: IntentClassified,
    left: Sequence[Intent],
    tasks: Sequence[TaskOutcome],
    question: Question | None,
    asked_now: Question | None,
) -> str | None:
    again = [] if question is None else [question.text]
    if not heard.text.strip():
        return " ".join([NOISE if heard.empty_because == "noise" else SILENCE, *again])
    asked = _awaiting_a_yes(left, asked_now)
    asked += [str(task.data["question"]) for task in tasks if "question" in task.data]
    unknown = [intent.text for intent in left if intent.label is IntentLabel.UNKNOWN]
    if unknown and again:
        return " ".join(["I didn't understand that.", *asked, *again])
    if unknown:
        asked.insert(0, NOT_UNDERSTOOD.format(said=" and ".join(quoted(text) for text in unknown)))
    return " ".join(asked) or None


def _awaiting_a_yes(left: Sequence[Intent], asked_now: Question | None) -> list[str]:
    """What is said of intents that want a yes first: one is asked about, others are told to have been left undone."""
    unanswered = [intent for intent in left if intent.label not in TALK and intent.label is not IntentLabel.UNKNOWN]
    confirming = asked_now is not None and asked_now.awaits == "confirmation"
    about = Intent.model_validate_json(asked_now.intent) if asked_now is not None and confirming else None
    undone = " and ".join(quoted(intent.text) for intent in unanswered if intent != about)
    said = [NOT_YET.format(said=undone)] if undone else []
    return [*said, asked_now.text] if asked_now is not None and confirming else said


def _within_limit(reply: ReplyRequested, history: Sequence[Said]) -> ReplyRequested:
    """With as much of the newest history as an event can hold; what tasks found is cut before what they say."""
    size = len(reply.model_dump_json().encode())
    if size > BODY_MAX_BYTES:
        bare = tuple(task.model_copy(update={"data": {}}) for task in reply.tasks)
        return reply.model_copy(update={"tasks": bare})
    kept: list[HistoryEntry] = []
    for said in reversed(history):
        entry = HistoryEntry(user=said.user, reply=said.reply, time=said.time, number=said.number)
        size += len(entry.model_dump_json().encode()) + 1
        if size > BODY_MAX_BYTES:
            break
        kept.insert(0, entry)
    return reply.model_copy(update={"history": tuple(kept)})
