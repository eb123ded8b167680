"""One version of a prompt: its parts and its examples, ready to be filled in. The only place that knows jinja2.

A template is plain text in parts; a line such as `--- system` begins one:

    --- system
    You are {{ name }}.
    --- examples
    --- history
    --- user
    {{ talk }}

`examples` and `history` are places: the few-shot examples of the file beside it and the earlier messages go there.
Parts are told apart before anything is filled in, and every message is made neutral as a whole after it: no text of a
user, a tool or a model can begin a part or a role, not even together with the text around it. So a template is better
written with headings than with tags.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

import jinja2
import jinja2.meta
import pydantic
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from infra.engines.port import Message
from infra.prompts.neutral import neutral
from infra.prompts.shelf import Given, PromptBroken

_PART: Final = re.compile(r"^--- *(system|user|assistant|examples|history) *$", re.MULTILINE)
_ANY_PART: Final = re.compile(r"^--- *(\w+) *$", re.MULTILINE)
_ENVIRONMENT: Final = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


class Example(BaseModel):
    """What a person might say, and what would be the right answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    user: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


class Template:
    """The parts of a text, parsed. `variables` are those that it asks for."""

    def __init__(self, text: str) -> None:
        """Raises PromptBroken for what is no template, without a place: the caller knows it."""
        found = _PART.split(text)
        roles, texts = found[1::2], found[2::2]
        if found[0].strip() or not roles:
            raise PromptBroken("it must begin with a part such as '--- system'")
        for other in _ANY_PART.findall("".join(texts)):
            raise PromptBroken(f"'--- {other}' is no part; expected system, user, assistant, examples or history")
        for place in ("examples", "history"):
            if roles.count(place) > 1:
                raise PromptBroken(f"'--- {place}' stands there twice")
        self._parts: list[tuple[str, jinja2.Template]] = []
        asked: set[str] = set()
        above = found[0].count("\n")
        for role, part in zip(roles, texts, strict=True):
            source = "\n" * above + part  # so that a mistake is told with its line in the file
            above += part.count("\n")
            try:
                asked |= jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
                self._parts.append((role, _ENVIRONMENT.from_string(source)))
            except jinja2.TemplateSyntaxError as error:
                raise PromptBroken(f"line {error.lineno}: {error.message}") from error
            except jinja2.TemplateError as error:
                raise PromptBroken(str(error)) from error
            except (RecursionError, MemoryError) as error:
                raise PromptBroken("too deeply nested") from error
        self.variables = frozenset(asked)
        for role, part in zip(roles, texts, strict=True):
            if role in ("examples", "history") and part.strip():
                raise PromptBroken(f"'--- {role}' is a place and has no text of its own; found {part.strip()[:40]!r}")
        self.has_examples = "examples" in roles
        self.has_history = "history" in roles

    def filled(
        self, values: Mapping[str, object], examples: Sequence[Example] = (), history: Sequence[Message] = ()
    ) -> tuple[Message, ...]:
        """The messages. Raises PromptBroken when a variable is missing or a value does not fit."""
        messages: list[Message] = []
        for part, template in self._parts:
            match part:
                case "history":
                    messages += (_message(entry.role, entry.content) for entry in history)
                case "examples":
                    for example in examples:
                        messages.append(replace(_message("user", example.user), example=True))
                        messages.append(replace(_message("assistant", example.assistant), example=True))
                case "system" | "user" | "assistant":
                    messages.append(_message(part, _rendered(template, part, values)))
        return tuple(messages)

    def checked(self, given: Given, examples: Sequence[Example] = ()) -> None:
        """Raises PromptBroken when it asks for what the stage does not give, or cannot be filled with the sample."""
        if unknown := sorted(self.variables - given.sample.keys()):
            known = ", ".join(sorted(given.sample)) or "none"
            raise PromptBroken(f"variable {unknown[0]!r} is given by nobody; expected one of {known}")
        if self.has_history and not given.history:
            raise PromptBroken("'--- history' is given by nobody")
        self.filled(given.sample, examples)


def examples_in(text: str) -> tuple[Example, ...]:
    """The examples, one JSON object a line. Raises PromptBroken, which names the line."""
    found: list[Example] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(Example.model_validate_json(line))
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            told = f"{field}: {first['msg']}" if field else first["msg"]
            raise PromptBroken(f'line {number}: {told}; expected {{"user": "…", "assistant": "…"}}') from error
    return tuple(found)


def order_of(messages: Sequence[Message]) -> str | None:
    """What is wrong with the order of the roles, as the stricter chat templates see it; None when nothing is."""
    roles = [message.role for message in messages]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    for place, role in enumerate(talk):
        expected = ("user", "assistant")[place % 2]
        if role != expected:
            return f"{role!r} stands where {expected!r} is expected: roles take turns after one system message"
    return None if talk[-1:] == ["user"] else "the last message must be the user's: it is what is answered"


def _rendered(template: jinja2.Template, part: str, values: Mapping[str, object]) -> str:
    try:
        return template.render(values)
    except jinja2.TemplateError as error:
        raise PromptBroken(f"part {part!r}: {error}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise PromptBroken(f"part {part!r}: {type(error).__name__}: {error}") from error  # of a value, within jinja2


def _message(role: Literal["system", "user", "assistant"], text: str) -> Message:
    return Message(role, neutral(text).strip())
