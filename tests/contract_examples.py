"""What the contracts are tested with: a contract of every kind, answers in it, and answers that are nearly in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.contracts import (
    SLOTS,
    Contract,
    Enrichment,
    FollowUps,
    Hypotheses,
    IntentAnswer,
    IntentParts,
    Step,
    adaptation_of,
    facet_updates_of,
    ranking_of,
    summary_within,
    tool_calls,
)
from schemas.intents import IntentLabel

Refuser = Literal["grammar", "validation"]

IDS: Final = ("m-1", "m-2", "m-3")
PLAN: Final = (Step("s1", "book a flight"), Step("s2", "rent a car"), Step("s3", "pack"))


@dataclass(frozen=True)
class NearMiss:
    """An answer that must not be taken. `refused_by`: the grammar already, or only what looks at it on arrival."""

    why: str
    answer: Any
    refused_by: Refuser = "grammar"


@dataclass(frozen=True)
class Kind:
    """One kind of contract."""

    contract: type[Contract]
    good: tuple[Any, ...]
    bad: tuple[NearMiss, ...]


def _call(tool: str, **arguments: str) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


KINDS: Final[Mapping[str, Kind]] = {
    "intent": Kind(
        IntentAnswer,
        ({"label": "create_note", "confidence": "low"},),
        (
            NearMiss("unknown label", {"label": "dance", "confidence": "low"}),
            NearMiss("extra field", {"label": "create_note", "confidence": "low", "why": "x"}),
            NearMiss("a list", [{"label": "create_note", "confidence": "low"}]),
        ),
    ),
    "several intents": Kind(
        IntentParts,
        (
            {"intents": [{"text": "note milk", "label": "create_note", "confidence": "high"}]},
            {"intents": [{"text": "a", "label": "unknown", "confidence": "low"}] * 3},
        ),
        (
            NearMiss("none", {"intents": []}),
            NearMiss("too many", {"intents": [{"text": "a", "label": "unknown", "confidence": "low"}] * 4}),
            NearMiss("too long", {"intents": [{"text": "a" * 81, "label": "unknown", "confidence": "low"}]}),
            NearMiss("empty text", {"intents": [{"text": "", "label": "unknown", "confidence": "low"}]}),
        ),
    ),
    "slots": Kind(
        SLOTS[IntentLabel.CREATE_LEDGER],
        (
            {"person": "José", "direction": "owes_me", "amount": "12.50 €", "purpose": "auto"},
            {"person": "my sister", "direction": "auto", "amount": "auto", "purpose": "the cinema"},
        ),
        (
            NearMiss("direction", {"person": "a", "direction": "both", "amount": "auto", "purpose": "auto"}),
            NearMiss("a number", {"person": "a", "direction": "auto", "amount": 12.5, "purpose": "auto"}),
            NearMiss("too long", {"person": "a" * 36, "direction": "auto", "amount": "auto", "purpose": "auto"}),
        ),
    ),
    "ranking": Kind(
        ranking_of(IDS),
        ({"m-1": 0, "m-2": 9, "m-3": 4}, {"m-1": 5, "m-2": 5, "m-3": 5}),
        (
            NearMiss("unknown id", {"m-1": 0, "m-2": 9, "m-4": 4}),
            NearMiss("id missing", {"m-1": 0, "m-2": 9}),
            NearMiss("id too many", {"m-1": 0, "m-2": 9, "m-3": 4, "m-4": 1}),
            NearMiss("out of range", {"m-1": 10, "m-2": 9, "m-3": 4}),
            NearMiss("a fraction", {"m-1": 0.5, "m-2": 9, "m-3": 4}),
        ),
    ),
    "facet updates": Kind(
        facet_updates_of(["concise", "formal"]),
        ({"concise": -10, "formal": 10}, {"concise": 0, "formal": -3}),
        (
            NearMiss("out of range", {"concise": -11, "formal": 0}),
            NearMiss("far out of range", {"concise": 100, "formal": 0}),
            NearMiss("unknown facet", {"concise": 1, "loud": 0}),
        ),
    ),
    "plan adaptation": Kind(
        adaptation_of(PLAN),
        (
            {"changes": []},
            {
                "changes": [
                    {"op": "keep", "step": "s1"},
                    {"op": "replace", "step": "s2", "do": "take the train"},
                    {"op": "insert", "after": "start", "do": "ask Ann"},
                    {"op": "move", "step": "s3", "after": "s1"},
                ]
            },
        ),
        (
            NearMiss("unknown step", {"changes": [{"op": "remove", "step": "s4"}]}),
            NearMiss("unknown change", {"changes": [{"op": "burn", "step": "s1"}]}),
            NearMiss("field of another change", {"changes": [{"op": "remove", "step": "s1", "do": "x"}]}),
            NearMiss("too many", {"changes": [{"op": "remove", "step": "s1"}] * 5}),
            NearMiss("start is no step", {"changes": [{"op": "remove", "step": "start"}]}),
        ),
    ),
    "tool calls": Kind(
        tool_calls(),
        (
            {"calls": [_call("create_reminder", title="call Mum", when="tomorrow at three")]},
            {
                "calls": [
                    _call("cancel_reminder", query="auto", when="auto", all="yes"),
                    _call("add_friend", person="Bo"),
                ]
            },
        ),
        (
            NearMiss("unknown tool", {"calls": [_call("order_pizza", title="auto")]}),
            NearMiss("talk is no tool", {"calls": [_call("chit_chat", when="auto", amount="auto")]}),
            NearMiss("argument of another tool", {"calls": [_call("add_friend", title="Bo")]}),
            NearMiss("none", {"calls": []}),
            NearMiss("too many", {"calls": [_call("add_friend", person="Bo")] * 4}),
        ),
    ),
    "hypotheses": Kind(
        Hypotheses,
        ({"hypotheses": [{"question": "Do you want an alarm?", "confidence": 85}]},),
        (
            NearMiss("over 100", {"hypotheses": [{"question": "a?", "confidence": 101}]}),
            NearMiss("a fraction", {"hypotheses": [{"question": "a?", "confidence": 0.85}]}),
            NearMiss("too many", {"hypotheses": [{"question": "a?", "confidence": 1}] * 4}),
        ),
    ),
    "enrichment": Kind(
        Enrichment,
        (
            {"implicit_goals": [], "expertise": "beginner"},
            {"implicit_goals": ["Secure user data", "Enable SSO"], "expertise": "intermediate"},
        ),
        (
            NearMiss("unknown level", {"implicit_goals": [], "expertise": "guru"}),
            NearMiss("too many", {"implicit_goals": ["a"] * 5, "expertise": "expert"}),
        ),
    ),
    "summary": Kind(
        summary_within(16),
        ({"text": "Ann owes the person twelve pounds."},),
        (NearMiss("too long", {"text": "a" * 49}), NearMiss("nothing", {"text": ""})),
    ),
    "follow-up questions": Kind(
        FollowUps,
        ({"questions": ["Which region?", "Auto-scaling?"]},),
        (NearMiss("too many", {"questions": ["a?"] * 4}), NearMiss("not texts", {"questions": [1]})),
    ),
}
