"""What the models are asked: for each contract inputs that differ, and the one prompt that all of them share.

With and without grammar a model reads the same prompt, in which the shape of the answer is written out. The inputs are
made with a seed, so two engines are asked the same.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.engines.port import Message
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
    schema_of,
    summary_within,
    tool_calls,
)
from schemas.contracts.tools import TOOLS
from schemas.intents import IntentLabel

FACETS: Final = ("concise", "formal", "step_by_step", "code_first", "humorous", "patient", "detailed", "curious")
FEEDBACK: Final = (
    "too brief",
    "thanks, perfect",
    "I don't follow",
    "stop joking",
    "more code please",
    "get to the point",
)
STEPS: Final = (
    "book a flight to Lisbon",
    "find a hotel near the river",
    "ask Ann for her dates",
    "rent a car",
    "pack the blue suitcase",
    "buy sun cream",
    "renew the passport",
    "tell the neighbours",
)
NEWS: Final = (
    "the flight was cancelled",
    "Ann will not come",
    "it will be cold",
    "we have no budget for a car",
    "nothing has changed",
    "we leave a week earlier",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One question, and the contract for its answer."""

    kind: str
    contract: type[Contract]
    messages: tuple[Message, ...]


def cases(utterances: Sequence[str], each: int, seed: int = 1) -> Iterator[Case]:
    """`each` cases of every kind of contract."""
    chance = random.Random(seed)
    for kind, make in _KINDS.items():
        for number in range(each):
            contract, task = make(chance, utterances, number)
            system = (
                f"{task[0]} Answer with one JSON object of this shape and nothing else:\n{shape(schema_of(contract))}"
            )
            yield Case(kind, contract, (Message("system", system), Message("user", task[1])))


def shape(schema: Mapping[str, Any]) -> str:
    """A schema as a person would write it down: {"label": "a" or "b", "text": words}."""
    if "anyOf" in schema:
        return " or ".join(map(shape, schema["anyOf"]))
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    match schema["type"]:
        case "object":
            return "{" + ", ".join(f'"{name}": {shape(value)}' for name, value in schema["properties"].items()) + "}"
        case "array":
            return f"[{shape(schema['items'])}, ...] with {schema.get('minItems', 0)} to {schema['maxItems']} entries"
        case "integer":
            return f"a number from {schema['minimum']} to {schema['maximum']}"
    return '"words"'


Made = tuple[type[Contract], tuple[str, str]]
"""The contract, and what the system and the user say."""
Kind = Callable[[random.Random, Sequence[str], int], Made]


def _intent(chance: random.Random, utterances: Sequence[str], _number: int) -> Made:
    return IntentAnswer, ("You sort what people say to an assistant.", f"The person says: {chance.choice(utterances)}")


def _parts(chance: random.Random, utterances: Sequence[str], _number: int) -> Made:
    said = " And ".join(chance.sample(utterances, chance.randint(1, 3)))
    return IntentParts, ("You split what people say to an assistant into wishes.", f"The person says: {said}")


def _slots(chance: random.Random, utterances: Sequence[str], number: int) -> Made:
    label = list(IntentLabel)[number % len(IntentLabel)]
    task = f'You take the details of "{label.value}" out of what a person says; "auto" where nothing is said.'
    return SLOTS[label], (task, f"The person says: {chance.choice(utterances)}")


def _ranking(chance: random.Random, utterances: Sequence[str], number: int) -> Made:
    memories = chance.sample(utterances, 2 + number % 9)
    ids = [f"m{chance.randint(10, 99)}-{place}" for place in range(len(memories))]
    listed = "\n".join(f"{name}: {memory}" for name, memory in zip(ids, memories, strict=True))
    task = "You say how well each memory fits a question."
    return ranking_of(ids), (task, f"Question: {chance.choice(utterances)}\nMemories:\n{listed}")


def _plan(chance: random.Random, _utterances: Sequence[str], number: int) -> Made:
    plan = [Step(f"s{place + 1}", do) for place, do in enumerate(chance.sample(STEPS, 2 + number % 5))]
    listed = "\n".join(f"{step.id}: {step.do}" for step in plan)
    task = "You change a plan where something new makes it necessary."
    return adaptation_of(plan), (task, f"Plan:\n{listed}\nNews: {chance.choice(NEWS)}")


def _tools(chance: random.Random, utterances: Sequence[str], number: int) -> Made:
    tools = TOOLS if number % 3 == 0 else chance.sample(TOOLS, 1 + number % 5)
    task = 'You choose what an assistant shall do, with "auto" for every argument that the person does not say.'
    return tool_calls(tools), (task, f"The person says: {chance.choice(utterances)}")


def _facets(chance: random.Random, _utterances: Sequence[str], number: int) -> Made:
    facets = chance.sample(FACETS, 2 + number % 7)
    task = "You adjust what an assistant knows of a person's taste, in hundredths; 0 changes nothing."
    return facet_updates_of(facets), (task, f"The person says: {chance.choice(FEEDBACK)}")


def _hypotheses(chance: random.Random, utterances: Sequence[str], _number: int) -> Made:
    task = "You ask what an unclear wish may mean, with how probable each meaning is."
    return Hypotheses, (task, f"The person says: {' '.join(chance.choice(utterances).split()[:3])}")


def _enrichment(chance: random.Random, utterances: Sequence[str], _number: int) -> Made:
    task = "You say what a person wants without saying it, and how much they know already."
    return Enrichment, (task, f"The person says: {chance.choice(utterances)}")


def _summary(chance: random.Random, utterances: Sequence[str], number: int) -> Made:
    talk = "\n".join(f"Person: {line}" for line in chance.sample(utterances, 2 + number % 5))
    return summary_within(16 + 5 * (number % 29)), ("You sum up a conversation.", talk)


def _follow_ups(chance: random.Random, utterances: Sequence[str], _number: int) -> Made:
    return FollowUps, ("You ask questions that carry a conversation on.", f"Person: {chance.choice(utterances)}")


_KINDS: Final[Mapping[str, Kind]] = {
    "intent": _intent,
    "several intents": _parts,
    "slots": _slots,
    "ranking": _ranking,
    "plan adaptation": _plan,
    "tool calls": _tools,
    "facet updates": _facets,
    "hypotheses": _hypotheses,
    "enrichment": _enrichment,
    "summary": _summary,
    "follow-up questions": _follow_ups,
}
