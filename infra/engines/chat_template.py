"""Renders the chat template that comes with a model: messages in, one text out, as the model was trained to read it.

A template is a program of whoever made the model file, so it runs in Jinja2's sandbox. Templates are written for the
environment that transformers gives them, and that is what they get here: its variables, its `raise_exception`, loop
controls, trimmed blocks, and its lenience with what is not defined (they ask for `message.tool_calls` where there are
none). Knows no engine; breaks no markers in what people said: infra/prompts.py has done that before.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from infra.engines.port import Message

_PROBE: Final = (Message("system", "Be brief."), Message("user", "Hello."))


class TemplateUnusable(Exception):
    """The template cannot be parsed, or refuses messages as ordinary as a system's and a user's."""


class ChatTemplate:
    """One model's template, tried once when it is made."""

    def __init__(self, source: str, bos: str, eos: str) -> None:
        """Raises TemplateUnusable."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_raise, strftime_now=_now)
        self._values: Mapping[str, Any] = {
            "bos_token": bos,
            "eos_token": eos,
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
        }
        try:
            self._template = environment.from_string(source)
            self._folds_system = not self._takes_system_messages()
        except _UNUSABLE as error:
            raise TemplateUnusable(f"chat template: {type(error).__name__}: {error}") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The text up to where the assistant's answer begins. Raises TemplateUnusable, e.g. on roles out of order."""
        try:
            return self._rendered(_folded(messages) if self._folds_system else messages)
        except _UNUSABLE as error:
            raise TemplateUnusable(f"chat template: {error}") from error

    def _takes_system_messages(self) -> bool:
        """Whether it knows the role; raises what it raises when it cannot even render a user's words."""
        try:
            return _PROBE[0].content in self._rendered(_PROBE)
        except _UNUSABLE:
            self._rendered(_PROBE[1:])
            return False

    def _rendered(self, messages: Sequence[Message]) -> str:
        told = [{"role": message.role, "content": message.content} for message in messages]
        return self._template.render(self._values, messages=told)


def _folded(messages: Sequence[Message]) -> list[Message]:
    """What a system says, put before a user's first words: for models without such a role (Gemma, Mistral)."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    first = next((place for place, message in enumerate(rest) if message.role == "user"), None)
    if not system:
        return rest
    if first is None:
        return [Message("user", system), *rest]
    return [*rest[:first], Message("user", f"{system}\n\n{rest[first].content}"), *rest[first + 1 :]]


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _now(shape: str) -> str:
    return datetime.now().astimezone().strftime(shape)


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # Jinja2's own escapes <, > and & for HTML


# Beside its own errors a template raises what its expressions do: 1/0, none + 'x', a range beyond the sandbox's bound.
_UNUSABLE: Final = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
