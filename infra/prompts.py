"""Prompt files: found beside their stage, rendered strictly, re-read when they change, named and hashed.

A file is plain text in parts; a line such as `--- system` begins one, and `--- history` is where earlier messages go:

    --- system
    You are {{ name }}.
    --- history
    --- user
    {{ talk }}

Parts are told apart before anything is filled in, and whatever is filled in has its chat-template markers broken, so
that no text of a user can begin a part or a role. Knows no stage and no engine but the messages they take.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from infra.engines.port import Message
from schemas.chat import PromptUse

SUFFIX: Final = ".txt"
_PART: Final = re.compile(r"^--- *(system|user|assistant|history) *$", re.MULTILINE)
# The role markers of the common chat templates: ChatML <|im_start|>, Llama <|eot_id|> [INST] <<SYS>>, Gemma
# <start_of_turn>, sentence marks <s> </s>, thinking <think>; full-width bars as DeepSeek has them.
_MARKER: Final = re.compile(
    r"<(?=[|｜]|/?s>|</?SYS>>|/?(?:start|end)_of_turn>|/?(?:think|tool_call|tool_response)>|(?:bos|eos|pad|unk)>)"
    r"|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\])",
    re.IGNORECASE,
)
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class PromptMissing(Exception):
    """There is no prompt of this name, and there was none when the program started."""


class PromptBroken(Exception):
    """A prompt file cannot be used: its syntax, or a variable that nobody gives."""


def neutral(text: str) -> str:
    """Text of a user or a model as it may stand in a prompt: markers broken by a space, unseen characters gone."""
    return _MARKER.sub(lambda found: found[0] + " ", _UNSEEN.sub("", text))


@dataclass(frozen=True, slots=True)
class Rendered:
    """Messages, and which text they came from."""

    messages: tuple[Message, ...]
    use: PromptUse


@dataclass(frozen=True, slots=True)
class _Prompt:
    """One version of a file, ready to be filled in."""

    seen: tuple[int, int]  # modification time in ns, size in bytes
    sha256: str
    parts: tuple[tuple[str, jinja2.Template], ...]


class Prompts:
    """The prompts of one folder.

    All are read at the start, and what was read stays: a file that is deleted or spoilt later does not stop a turn.
    """

    def __init__(self, folder: Path) -> None:
        """Raises PromptMissing when there is no prompt, PromptBroken when one cannot be used."""
        self._folder = folder
        self._environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined, finalize=_filled, autoescape=False, keep_trailing_newline=False
        )
        self._kept = {path.stem: self._read(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}
        if not self._kept:
            raise PromptMissing(f"{folder}: no file ends in {SUFFIX}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def render(self, name: str, values: Mapping[str, object], history: Sequence[Message] = ()) -> Rendered:
        """The prompt as messages. Raises PromptMissing, or PromptBroken when a variable is not among the values."""
        prompt = self._current(name)
        messages: list[Message] = []
        for role, template in prompt.parts:
            if role == "history":
                messages += (Message(entry.role, neutral(entry.content)) for entry in history)
                continue
            try:
                text = template.render(values).strip()
            except jinja2.TemplateError as error:
                raise PromptBroken(f"prompt {name!r}, part {role!r}: {error}") from error
            messages.append(Message(_role(role), text))
        return Rendered(tuple(messages), PromptUse(name=name, sha256=prompt.sha256))

    def _current(self, name: str) -> _Prompt:
        path = self._folder / f"{name}{SUFFIX}"
        kept = self._kept.get(name)
        try:
            if kept is None or _seen(path) != kept.seen:
                self._kept[name] = kept = self._read(path)
        except (OSError, PromptBroken) as error:
            if kept is None:
                known = ", ".join(self._kept)
                raise PromptMissing(f"prompt {name!r}: {error}; there are {known}") from error
        return kept

    def _read(self, path: Path) -> _Prompt:
        seen = _seen(path)
        content = path.read_bytes()
        try:
            found = _PART.split(content.decode())
            if found[0].strip() or len(found) < 3:
                raise PromptBroken(f"{path}: it must begin with a part such as '--- system'")
            parts = tuple(
                (role, self._environment.from_string(text)) for role, text in zip(found[1::2], found[2::2], strict=True)
            )
        except (jinja2.TemplateError, UnicodeDecodeError) as error:
            raise PromptBroken(f"{path}: {error}") from error
        return _Prompt(seen, hashlib.sha256(content).hexdigest(), parts)


def _seen(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def _filled(value: object) -> object:
    """What jinja2 puts in the place of a variable."""
    return neutral(value) if isinstance(value, str) else value


def _role(part: str) -> Literal["system", "user", "assistant"]:
    match part:
        case "system" | "user" | "assistant":
            return part
    raise PromptBroken(f"part {part!r} is no message")
