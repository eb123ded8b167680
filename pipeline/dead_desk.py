"""What a person may do with dead letters: look at them, send their turns again, drop them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.reading import Stored
from infra.bus.streams import DEAD_SUBJECT
from infra.clock import Clock
from infra.telemetry import root
from schemas import subjects
from schemas.errors import InvalidField, SchemaError
from schemas.event import Event, Fact, Meta
from schemas.ids import turn_again
from schemas.intake import AudioSubmitted, Submission, TextSubmitted
from schemas.subjects import DEAD_STREAM, parse_subject
from schemas.tasks import TaskCompleted
from schemas.turns import SpeechTurnOpened, TextTurnOpened


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up."""

    number: int  # its place in the dead-letter stream, by which it is named
    stage: str
    error: str  # class name
    message: str
    tries: int
    turn: str | None
    subject: str
    stack: str
    payload: bytes


async def letters(bus: Bus, *, stage: str | None = None, error: str | None = None) -> list[DeadLetter]:
    """The dead letters that are kept, oldest first; of one stage, of one error (its class name or words of it)."""
    subject = f"{DEAD_SUBJECT}.{stage or '*'}"
    found = [_read(number, message) for number, message in await bus.messages(DEAD_STREAM, subject)]
    wanted = (error or "").casefold()
    return [each for each in found if wanted in f"{each.error}: {each.message}".casefold()]


async def letter(bus: Bus, number: int) -> DeadLetter:
    """One dead letter. Raises InvalidField when there is none of this number."""
    message = await bus.stored(DEAD_STREAM, number)
    if message is None:
        raise InvalidField("NUMBER", number, "the number of a dead letter; `parley dead list` shows them")
    return _read(number, message)


async def drop(bus: Bus, chosen: Sequence[DeadLetter]) -> None:
    """Forget them for good."""
    for each in chosen:
        await bus.forget(DEAD_STREAM, each.number)


async def retry(bus: Bus, clock: Clock, chosen: DeadLetter) -> str:
    """Submit the letter's turn again, as a new turn of its conversation; the new turn's id.

    The old turn has ended and stays as it ended; all letters of it are dropped. Done twice, or by two people at once,
    it is still one new turn, since its id follows from the old one's. Raises InvalidField when the letter
    names no turn that was opened (what was never readable cannot be sent again), or one in which something was done:
    it would be done twice.
    """
    opened = await _opening(bus, chosen)
    await _refuse_if_done(bus, chosen, opened.meta)
    submission: Submission = (
        TextSubmitted(text=opened.fact.text)
        if isinstance(opened.fact, TextTurnOpened)
        else AudioSubmitted(audio=opened.fact.audio)
    )
    turn = turn_again(opened.meta.turn)
    update = {"id": turn, "turn": turn, "type": type(submission).__name__, "number": 0, "cause": None}
    update |= {"stage": "front-end", "time": clock.now(), "deadline": None}
    event = Event[Fact].first(submission, opened.meta.model_copy(update=update))
    await bus.say(event, Hop("front-end", traceparent=root(turn)))
    await drop(bus, [each for each in await letters(bus) if each.turn == chosen.turn])
    return turn


async def _refuse_if_done(bus: Bus, chosen: DeadLetter, old: Meta) -> None:
    told = await bus.turn_events(old.tenant_id, old.run_id, old.conversation_id, old.turn_id, TaskCompleted.token)
    done = [
        event.fact.outcome for _, event in told if isinstance(event.fact, TaskCompleted) and event.fact.outcome.success
    ]
    if done:
        told_then = "; ".join(outcome.message for outcome in done)
        expected = f"a turn in which nothing was done; in this one something was, and would be again: {told_then}"
        raise InvalidField("NUMBER", chosen.number, expected)


async def _opening(bus: Bus, chosen: DeadLetter) -> Event[Any]:
    try:
        at = parse_subject(chosen.subject)
    except SchemaError:
        raise _hopeless(chosen) from None
    for token in (TextTurnOpened.token, SpeechTurnOpened.token):
        found = await bus.turn_events(at.tenant, at.run, at.conversation, at.turn, token)
        if found:
            return found[0][1]
    raise _hopeless(chosen)


def _hopeless(chosen: DeadLetter) -> InvalidField:
    return InvalidField(
        "NUMBER",
        chosen.number,
        "a letter whose turn was opened and is still in the stream; this one can be shown or dropped",
    )


def _read(number: int, message: Stored) -> DeadLetter:
    about = _about(message.headers.get("Parley-About", "{}"))
    subject = message.headers.get("Parley-Subject", "")
    parts = subject.split(".")
    return DeadLetter(
        number=number,
        stage=message.headers.get("Parley-Stage", ""),
        error=str(about.get("error", "")),
        message=str(about.get("message", "")),
        tries=tries if isinstance(tries := about.get("tries"), int) else 1,
        turn=parts[-2] if subject.startswith(f"{subjects.ROOT}.") and len(parts) == 8 else None,
        subject=subject,
        stack=str(about.get("stack", "")),
        payload=message.data,
    )


def _about(text: str) -> dict[str, Any]:
    """What the letter tells of itself; nothing when somebody else has put it there."""
    try:
        about = json.loads(text)
    except ValueError:
        about = None
    return about if isinstance(about, dict) else {}
