"""The part of the AsyncAPI document that tells of questions to the keeper and the intent stage: request and reply."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pipeline import intent_desk, state_desk, topology
from pipeline.intent_desk import Utterance
from pipeline.state_desk import Question

Tree = dict[str, Any]
_REFUSED: Final = {
    "type": "object",
    "description": "What was asked wrongly: the field, what stood there, and what would be right.",
    "properties": {name: {"type": "string"} for name in ("field", "value", "expected")},
    "required": ["field", "value", "expected"],
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """Who answers what on which subject."""

    channel: str
    subject: str
    part: str
    name: str  # of its messages, before Question and Answer
    about: str
    question: Tree
    answer: Tree


def _desks() -> tuple[_Desk, ...]:
    asked = {"what": {"type": "string", "enum": list(state_desk.KINDS)}, "question": Question.model_json_schema()}
    failed = {"type": "string", "description": "The state cannot be read now."}
    pages = {"description": "A page {rows, next}, or what else `what` is answered with."}
    return (
        _Desk(
            channel="state.ask",
            subject=state_desk.ASK_SUBJECT,
            part=topology.KEEPER,
            name="State",
            about="A part of what is kept for a user, by pages; only read.",
            question={"type": "object", "properties": asked, "required": ["what", "question"]},
            answer={"type": "object", "properties": {"answer": pages, "error": _REFUSED, "failed": failed}},
        ),
        _Desk(
            channel="intent.ask",
            subject=intent_desk.ASK_SUBJECT,
            part="intent",
            name="Intent",
            about="What an utterance would be taken for; nothing is acted on.",
            question=Utterance.model_json_schema(),
            answer={
                "type": "object",
                "properties": {
                    "intents": {"type": "array", "items": {"type": "object"}, "description": "As in IntentClassified."},
                    "error": _REFUSED,
                },
            },
        ),
    )


def channels() -> Tree:
    """One for each who is asked."""
    return {
        desk.channel: {
            "address": desk.subject,
            "description": f"Core NATS, request and reply: {desk.about[0].lower()}{desk.about[1:]}",
            "servers": [{"$ref": "#/servers/bus"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(desk)},
        }
        for desk in _desks()
    }


def operations() -> Iterator[tuple[str, Tree]]:
    """One for each who answers."""
    for desk in _desks():
        channel = {"$ref": f"#/channels/{desk.channel}"}
        asked, answered = ({"$ref": f"#/channels/{desk.channel}/messages/{name}"} for name in _names(desk))
        yield (
            f"{desk.part}.answers",
            {
                "action": "receive",
                "channel": channel,
                "messages": [asked],
                "tags": [{"name": desk.part}],
                "reply": {"channel": channel, "messages": [answered]},
            },
        )


def messages() -> Tree:
    """Questions and answers."""
    told: Tree = {}
    for desk in _desks():
        question, answer = _names(desk)
        for name, summary in ((question, desk.about), (answer, "What was asked for, or why it is not told.")):
            told[name] = {"name": name, "summary": summary, "payload": {"$ref": f"#/components/schemas/{name}"}}
    return told


def schemas() -> Tree:
    """What they are made of."""
    told: Tree = {}
    for desk in _desks():
        question, answer = _names(desk)
        told |= {question: desk.question, answer: desk.answer}
    return told


def _names(desk: _Desk) -> tuple[str, str]:
    return f"{desk.name}Question", f"{desk.name}Answer"
