"""Reads a contract out of what a model really said: JSON alone, amid prose, in a code fence, or nearly JSON.

An engine that is forced into the grammar of its contract needs none of this; one that ignores `response_format` does.
What is taken is one object that says one thing: an answer that was cut off, or two objects that differ, is not guessed
at. The only file that knows json-repair (trailing commas, single quotes, comments, True and None of Python).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeVar

import json_repair
import pydantic

from infra.engines.port import Ask, Message
from infra.prompts import neutral
from schemas.contracts import Contract

C = TypeVar("C", bound=Contract)

SHOWN_AGAIN_CHARS: Final = 400  # of a wrong answer, when it is shown to the model
_DECODER: Final = json.JSONDecoder()


class Unreadable(ValueError):
    """The answer is not one answer in its contract. Its text says what is wrong, in words that a model can use."""


def read(text: str, contract: type[C]) -> C:
    """The answer as its contract. Raises Unreadable."""
    found = list(_objects_in(text))
    if not found:
        return _validated(_repaired(text, contract), contract)
    wrong: Unreadable | None = None
    answers: list[C] = []
    for entry in found:
        try:
            answers.append(_validated(entry, contract))
        except Unreadable as refused:
            wrong = wrong or refused
    if not answers:
        raise wrong or Unreadable("nothing was answered")
    if any(other != answers[0] for other in answers):
        raise Unreadable(f"{len(answers)} different answers were given, and only one is wanted")
    return answers[0]


def asked_again(ask: Ask, answer: str, wrong: Unreadable) -> Ask:
    """The same request with the wrong answer and what is wrong about it."""
    said = neutral(answer.strip()[:SHOWN_AGAIN_CHARS]) or "(nothing)"
    told = f"That cannot be used: {neutral(str(wrong))}. Answer again, with one JSON object and nothing else."
    return replace(ask, messages=(*ask.messages, Message("assistant", said), Message("user", told)))


def _objects_in(text: str) -> Iterator[object]:
    """The JSON objects in a text, one after another, as far as they are JSON; none within another."""
    at = text.find("{")
    while at >= 0:
        try:
            found, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield found
        at = text.find("{", end)


def _repaired(text: str, contract: type[Contract]) -> object:
    """What is nearly a JSON object, from its first brace to its last. Raises Unreadable."""
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0:
        raise Unreadable(f"there is no JSON object for {contract.__name__} in it")
    if end <= start or _depth(text[start:end]) > 0:
        raise Unreadable("the JSON object ends in the middle")
    try:
        found: object = json_repair.loads(text[start:end], skip_json_loads=True)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Unreadable("it is not one JSON object")
    return found


def _depth(text: str) -> int:
    """How many brackets are still open at its end, those within double quotes left out."""
    depth, quoted, escaped = 0, False, False
    for sign in text:
        if escaped:
            escaped = False
        elif quoted and sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif not quoted:
            depth += (sign in "{[") - (sign in "}]")
    return depth + quoted


def _validated(found: object, contract: type[C]) -> C:
    try:
        return contract.model_validate_json(json.dumps(found))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or contract.__name__
        raise Unreadable(f"{field}: {first['msg']}") from None
