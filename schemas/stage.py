"""What a stage is: who it is, what it hears and says, and the function that turns one event into the next."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from schemas.event import Event, Fact

Told: TypeAlias = Fact | Event[Fact]
"""A stage yields facts, which are given their id and time as they are published; or, from a store that already
holds them (the inbox of a skill that has acted), finished events, which are published as they are."""

Given = TypeVar("Given")
Handler: TypeAlias = Callable[[Event[Any], Given, tuple[Fact, ...]], AsyncIterator[Told]]
"""(event, what the stage was given, what it has already said for this very event before a redelivery)."""


@dataclass(frozen=True, slots=True)
class Stage(Generic[Given]):
    """A stage's declaration. Binding it to a bus is pipeline/'s business."""

    name: str
    hears: tuple[type[Fact], ...]
    says: tuple[type[Fact], ...]
    handle: Handler[Given]
    slots: int = 1
    """How many events one worker handles at once."""
    resumes: bool = False
    """On a redelivery it continues after what it has already said, instead of saying all of it again."""
