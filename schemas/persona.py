"""What was learned of a person from a turn: facets of how they like to be answered, each from 0 (not at all) to 1."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from schemas.contracts.contract import KEY_MAX_CHARS
from schemas.contracts.facets import FACETS_MAX
from schemas.errors import InvalidField
from schemas.event import Fact, Uuid7

REASON_MAX_CHARS: Final = 2_000
Facet = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_.:-]{{1,{KEY_MAX_CHARS}}}$")]  # as in the contract that moves them
Share = Annotated[float, Field(ge=0, le=1)]
Facets = Annotated[dict[Facet, Share], Field(min_length=1, max_length=FACETS_MAX)]


class _Learned(Fact):
    """Common to what is submitted and what is recorded."""

    about: Uuid7  # the turn from which it was learned
    facets: Facets  # those that moved, where they stand now
    before: dict[Facet, Share] = Field(
        default_factory=dict, max_length=FACETS_MAX
    )  # where they stood, if that is known
    reason: str | None = Field(default=None, max_length=REASON_MAX_CHARS)


class PersonaGiven(_Learned):
    """Somebody (a front-end, a person, a program that learns) says how a user likes to be answered."""

    @model_validator(mode="after")
    def _before_is_of_what_moved(self) -> Self:
        for facet in self.before:
            if facet not in self.facets:
                raise InvalidField("before", facet, f"in `before` only facets that moved: {', '.join(self.facets)}")
        return self


class PersonaUpdated(_Learned):
    """It passed intake and is on the record; the fields are those of PersonaGiven."""
