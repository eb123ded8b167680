"""Chat messages as trainers read them: the system prompt, what was said before, and skills as tool calls. Pure.

A tool is a skill as schemas/contracts/slots.py describes it, its arguments are the person's own words.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.export.answering import slots_of
from pipeline.export.turns import LoggedTurn, Payload
from schemas.chat import HistoryEntry
from schemas.contracts.slots import AUTO, SLOTS
from schemas.intents import IntentLabel
from stages.chat.planning import Memory
from stages.chat.remembering import remembered, shortened

Message = dict[str, Any]

_MEMORY: Final = Memory()
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CALL: Final = 'STRUCT("type" VARCHAR, "function" STRUCT("name" VARCHAR, arguments VARCHAR))[]'
MESSAGES_TYPE: Final = f'STRUCT("role" VARCHAR, "content" VARCHAR, tool_calls {_CALL}, "name" VARCHAR)[]'
"""In Parquet the arguments are JSON text, as a struct of all tools' arguments would be full of nulls."""
PLAIN_TYPE: Final = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'


def message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def prompt(turn: LoggedTurn, system: str) -> list[Message]:
    """System prompt, history as the model was given it, and the question."""
    said = [message("system", system)] if system else []
    entries = [
        HistoryEntry.model_construct(
            user=str(entry.get("user", "")),
            reply=str(entry.get("reply", "")),
            time=_NO_TIME,
            number=entry.get("number"),
        )
        for entry in (turn.asked or {}).get("history", ())
    ]
    history = remembered(entries, _MEMORY.history_turns, _MEMORY.history_tokens, _MEMORY.history_block)
    return [*said, *(message(each.role, each.content) for each in history), message("user", question(turn))]


def question(turn: LoggedTurn) -> str:
    """What the model was asked: the talk alone where there was nothing else, and otherwise all that was said."""
    only_talk = not turn.tasks and not (turn.asked or {}).get("clarification")
    return shortened(turn.talk, _MEMORY.talk_tokens) if turn.talk and only_talk else turn.text


def called(turn: LoggedTurn) -> list[Message] | None:
    """What the skills did: one message with all calls, then one with the result of each.

    None where the log does not tell what one of them was called with.
    """
    if not turn.tasks:
        return []
    calls = []
    for place, outcome in turn.tasks:
        arguments = _arguments(turn, place, outcome)
        if arguments is None:
            return None
        calls.append({"type": "function", "function": {"name": outcome.get("skill"), "arguments": arguments}})
    results = [
        {"role": "tool", "name": outcome.get("skill"), "content": str(outcome.get("message", ""))}
        for _, outcome in turn.tasks
    ]
    return [{**message("assistant", ""), "tool_calls": calls}, *results]


def tools(labels: Sequence[str], described: Mapping[IntentLabel, str]) -> str:
    """The definitions of these tools as JSON text: a table has one type a column, and each tool its own arguments."""
    told = []
    for label in sorted(set(labels)):
        names = list(SLOTS[IntentLabel(label)].model_fields)
        parameters = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        description = f"Used when the person {described[IntentLabel(label)]}."
        function = {"name": label, "description": description, "parameters": parameters}
        told.append({"type": "function", "function": function})
    return json.dumps(told)


def _arguments(turn: LoggedTurn, place: int, outcome: Payload) -> dict[str, str] | None:
    """What the skill was called with, as far as a tool of its kind takes it; None where the log does not tell."""
    slots = slots_of(turn, place, outcome)
    if slots is None:
        return None
    told = {name: _word(slots.get(name)) for name in SLOTS[IntentLabel(outcome["skill"])].model_fields}
    return {name: value for name, value in told.items() if value}


def _word(value: Any) -> str:
    """A slot in words; empty where there is none."""
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case {"text": text}:
            return str(text)
        case {"value": amount}:
            return f"{amount} {value.get('currency') or ''}".strip()
        case str() if value != AUTO:
            return value
        case _:
            return ""
