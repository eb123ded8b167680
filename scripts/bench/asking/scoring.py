"""Scores answers by rules that stand in a data file and can be checked by reading: nothing is a matter of taste.

A rule looks at the words of an answer, case and punctuation aside. Pure, but for reading the file.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

_SENTENCE: Final = re.compile(r"[.!?]+(?=\s|\Z)")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Data):
    """One condition; exactly one of its fields is set. Words and phrases are found as whole words only."""

    any_of: tuple[str, ...] | None = Field(default=None, min_length=1)  # one of them is said
    all_of: tuple[str, ...] | None = Field(default=None, min_length=1)  # each of them is said
    none_of: tuple[str, ...] | None = Field(default=None, min_length=1)  # none of them is said
    max_words: int | None = Field(default=None, ge=1)
    min_words: int | None = Field(default=None, ge=1)
    max_sentences: int | None = Field(default=None, ge=1)
    ends_with: Literal["?", ".", "!"] | None = None
    shape: str | None = None  # a regular expression that is found somewhere in the answer

    @model_validator(mode="after")
    def _one(self) -> "Rule":
        if len(self.model_fields_set) != 1:
            raise ValueError("a rule has exactly one of " + ", ".join(type(self).model_fields))
        if self.shape is not None:
            re.compile(self.shape)
        return self

    def holds(self, answer: str) -> bool:
        """Whether the answer keeps it."""
        said = f" {' '.join(words_of(answer))} "
        match self:
            case Rule(any_of=tuple() as phrases):
                return any(_within(phrase, said) for phrase in phrases)
            case Rule(all_of=tuple() as phrases):
                return all(_within(phrase, said) for phrase in phrases)
            case Rule(none_of=tuple() as phrases):
                return not any(_within(phrase, said) for phrase in phrases)
            case Rule(max_words=int() as most):
                return len(words_of(answer)) <= most
            case Rule(min_words=int() as least):
                return len(words_of(answer)) >= least
            case Rule(max_sentences=int() as most):
                return len([part for part in _SENTENCE.split(answer) if words_of(part)]) <= most
            case Rule(ends_with=str() as mark):
                return answer.rstrip().endswith(mark)
            case Rule(shape=str() as pattern):
                return re.search(pattern, answer, re.IGNORECASE) is not None
        raise AssertionError("a rule has one of its fields")

    def __str__(self) -> str:
        return json.dumps(self.model_dump(exclude_unset=True), ensure_ascii=False)


class Earlier(_Data):
    """One earlier turn."""

    user: str
    reply: str


class Prompt(_Data):
    """What is said, in which conversation, and what an answer must keep: all rules, or it is wrong."""

    kind: str
    say: str
    history: tuple[Earlier, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    def broken(self, answer: str) -> list[Rule]:
        return [rule for rule in self.rules if not rule.holds(answer)]


class Fact(_Data):
    """Something told early, asked for later; the answer has it when it says one of `has`."""

    tell: str
    ask: str
    has: tuple[str, ...] = Field(min_length=1)

    def known_in(self, answer: str) -> bool:
        return Rule(any_of=self.has).holds(answer)


class Quality(_Data):
    """The file quality.yaml."""

    prompts: tuple[Prompt, ...] = Field(min_length=1)


class Coherence(_Data):
    """The file coherence.yaml: facts, and what is said between telling and asking."""

    facts: tuple[Fact, ...] = Field(min_length=1)
    between: tuple[str, ...] = Field(min_length=1)


class DataRefused(Exception):
    """A data file that cannot be used; one line that says where and why."""


D = TypeVar("D", bound=_Data)


def read(path: Path, kind: type[D]) -> D:
    """A data file. Raises DataRefused."""
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataRefused(f"{path}: {' '.join(str(error).split())}") from error
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataRefused(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def words_of(text: str) -> list[str]:
    """Words in small letters without punctuation; "don't" is one, "12.50" too; of "Tom's" it is "tom"."""
    plain = re.sub(r"'s\b", "", text.casefold().replace("’", "'"))
    return re.findall(r"[^\W_]+(?:['.,][^\W_]+)*", plain)


def _within(phrase: str, said: str) -> bool:
    return f" {' '.join(words_of(phrase))} " in said


def share(right: Sequence[bool]) -> float:
    """Of none: 0."""
    return sum(right) / len(right) if right else 0.0
