"""Hears IntentClassified; says TaskCompleted for each thing done or refused, then ReplyRequested.

Each intent is one transaction: the skill's effect, the note that it was handled, and the bytes of what is said about
it. So one that fails leaves the others done, and a redelivery says the same again and does nothing twice. What was
only guessed, and what destroys much, waits for a yes. Does not know the bus, the model or the voice; does not guarantee
that a skill understood what was meant: it acts on slots.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from infra.state import history, questions
from infra.state.errors import StateError, StateMisused, TurnOver
from infra.state.port import State, Unit
from infra.state.questions import Question
from infra.state.scope import scope_of
from schemas.chat import ReplyRequested
from schemas.errors import SchemaError
from schemas.event import Event, Fact
from schemas.ids import event_id
from schemas.intents import Intent, IntentClassified
from schemas.stage import Stage, Told
from schemas.tasks import TaskCompleted, TaskOutcome
from stages.router import moments
from stages.router.answers import Dropped, read
from stages.router.asked import Asked, Awaited, Result, confirms
from stages.router.guesses import needs_a_yes, understood
from stages.router.offers import offer
from stages.router.reply import compose, without_bulk
from stages.router.skills.catalogue import DOING, SKILLS

NAME = "router"
_logger = logging.getLogger("parley.router")


@dataclass(frozen=True, slots=True)
class RouterGiven:
    """What the router is given."""

    state: State
    history_turns: int = 12  # as many earlier turns go to chat, which cuts them again by tokens
    currency: str = "USD"  # ISO 4217: of amounts that were said without one


async def route(event: Event[IntentClassified], given: RouterGiven, earlier: tuple[Fact, ...]) -> AsyncIterator[Told]:
    """Do what is wanted, then ask for a reply. Raises InvalidField (a time zone that is none), StateError, TurnOver."""
    del earlier  # the inbox knows better: it holds what was said together with what was done
    moments.zone_of(event.meta.time_zone)
    event = event.model_copy(update={"fact": understood(event.fact)})
    tasks: list[tuple[int, TaskOutcome]] = []
    for index in range(len(event.fact.intents)):
        for said in await _act_once(event, given, index):
            if isinstance(said.fact, TaskCompleted):
                tasks.append((index, said.fact.outcome))
            yield said
    for said in await _ask_once(event, given, tasks):
        yield said


async def _act_once(event: Event[IntentClassified], given: RouterGiven, index: int) -> tuple[Event[Fact], ...]:
    """Handle one intent in its own transaction; nothing is said about one that is left to chat."""
    step = f"intent-{index}"
    try:
        async with given.state.handling(event, step, NAME) as unit:
            if unit.done is not None:
                return unit.done
            outcomes = await _outcomes(unit, event, given, index)
            if outcomes is None:
                unit.leave_unmarked()
                return ()
            return tuple(unit.say(TaskCompleted(intent=index, outcome=outcome), index) for outcome in outcomes)
    except Exception as bug:
        if isinstance(bug, StateError | SchemaError | TurnOver) and not isinstance(bug, StateMisused):
            raise  # the worker's: to be tried again, an event that can never be handled, or one that need not be
        # A mistake in one skill must not take the others with it: its own effect is rolled back, and it is told.
        _logger.exception("%s: the skill for %s failed", event.meta.id, event.fact.intents[index].label)
        failed = _failed(event.fact.intents[index], bug)
    async with given.state.handling(event, step, NAME) as unit:
        if unit.done is not None:
            return unit.done
        return (unit.say(TaskCompleted(intent=index, outcome=failed), index),)


async def _outcomes(
    unit: Unit, event: Event[IntentClassified], given: RouterGiven, index: int
) -> tuple[TaskOutcome, ...] | None:
    """Run the skill that the intent asks for, or that it completes; None when it is neither.

    No outcome: it waits for a yes, and a redelivery must not ask for it again.
    """
    meta, intent = event.meta, event.fact.intents[index]
    choices: tuple[str, ...] = ()
    scope = scope_of(meta)
    open_question = await questions.waiting(unit.tx, scope, meta.conversation, meta.number, meta.time)
    reading = None if open_question is None else read(open_question, intent, meta.number)
    if isinstance(reading, Dropped):
        await questions.settle(unit.tx, scope, meta.conversation)
        return (_dropped(reading.intent, declined=open_question is not None and open_question.awaits == _YES),)
    if reading is not None:
        intent, choices = reading.intent, reading.choices
    skill = SKILLS.get(intent.label)
    if skill is None:
        return None
    zone = moments.zone_of(meta.time_zone)
    asked = Asked(
        intent=intent,
        origin=meta,
        scope=scope,
        now=meta.time.astimezone(zone),
        zone=zone,
        id=event_id(meta.turn_id, meta.run_id, meta.id, f"{NAME}.row", index),
        currency=given.currency,
        choices=choices,
    )
    guessed = reading is None and needs_a_yes(intent)
    result = confirms(offer(asked)) if guessed else await skill(unit.tx, asked)
    wants_yes = result.needs is not None and result.needs.awaits == _YES
    if wants_yes and await questions.asked_by(unit.tx, scope, meta.conversation, meta.number) is not None:
        return ()  # one question at a time: the reply says that this part was left undone
    await _remember(unit, event, intent, result, replaces=open_question is not None)
    return () if result.outcome is None else (without_bulk(result.outcome),)


async def _remember(unit: Unit, event: Event[IntentClassified], intent: Intent, result: Result, replaces: bool) -> None:
    """Keep what the skill asks back; a question of an earlier turn ends with whatever was done after it."""
    meta, needs = event.meta, result.needs
    if needs is not None:
        question = Question(
            number=meta.number,
            asked_at=meta.time,
            intent=intent.model_dump_json(),
            awaits=needs.awaits,
            text=needs.question,
            choices=needs.choices,
        )
        await questions.ask(unit.tx, scope_of(meta), meta.conversation, question)
    elif replaces:
        await questions.settle(unit.tx, scope_of(meta), meta.conversation)


async def _ask_once(
    event: Event[IntentClassified], given: RouterGiven, tasks: list[tuple[int, TaskOutcome]]
) -> tuple[Event[Fact], ...]:
    """Ask for the reply, in a transaction of its own."""
    meta, scope = event.meta, scope_of(event.meta)
    async with given.state.handling(event, "reply", NAME) as unit:
        if unit.done is not None:
            return unit.done
        said = await history.recent(unit.tx, scope, meta.conversation, meta.number, given.history_turns)
        question = await questions.waiting(unit.tx, scope, meta.conversation, meta.number, meta.time)
        asked = await questions.asked_by(unit.tx, scope, meta.conversation, meta.number)
        reply = compose(event.fact, tasks, said, question, asked)
        if question is not None and question.awaits == _YES and question.text not in (reply.clarification or ""):
            # It was not asked again, so the next "yes" answers something else: what chat has said meanwhile.
            await questions.settle(unit.tx, scope, meta.conversation)
        return (unit.say(reply, len(event.fact.intents)),)


_YES: Final[Awaited] = "confirmation"


def _dropped(intent: Intent, declined: bool) -> TaskOutcome:
    message = "All right, I won't do that." if declined else "All right, I've dropped that."
    return TaskOutcome(skill=intent.label, success=not declined, data={"dropped": True}, message=message)


def _failed(intent: Intent, bug: Exception) -> TaskOutcome:
    doing = DOING.get(intent.label, "doing that")
    return TaskOutcome(
        skill=intent.label,
        success=False,
        data={"error": type(bug).__name__},
        message=f"Something went wrong while I was {doing}, so nothing was changed.",
    )


ROUTER: Stage[RouterGiven] = Stage(
    name=NAME,
    hears=(IntentClassified,),
    says=(TaskCompleted, ReplyRequested),
    handle=route,
    slots=4,  # they write one after another anyway; a stopped router holds up no more turns than these
)
