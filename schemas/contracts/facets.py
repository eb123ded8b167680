"""How a person's facets (concise, step_by_step, ...) shall move after what happened, as a model answers it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from schemas.contracts.contract import Contract, entries, keyed
from schemas.errors import InvalidField

FACETS_MAX: Final = 12
STEP_MAX: Final = 10  # hundredths: ten turns at least from one end of a facet to the other

# Whole hundredths, since the bounds of an integer can be put into a grammar and those of a fraction cannot everywhere.
Hundredths = Annotated[int, Field(ge=-STEP_MAX, le=STEP_MAX)]


class FacetUpdates(Contract):
    """By how many hundredths each facet moves; 0 leaves it. Made with `facet_updates_of`."""

    @property
    def deltas(self) -> dict[str, float]:
        """The moves that are not zero, as fractions."""
        return {facet: move / 100 for facet, move in entries(self).items() if move}


def facet_updates_of(facets: Sequence[str]) -> type[FacetUpdates]:
    """The contract for these 2 to FACETS_MAX facets. Raises InvalidField."""
    return keyed(FacetUpdates, facets, Hundredths, FACETS_MAX)


def moved(facets: Mapping[str, float], updates: FacetUpdates) -> dict[str, float]:
    """The facets after the updates, each still from 0 to 1. Raises InvalidField for a facet that the person has not."""
    deltas = updates.deltas
    for facet in deltas:
        if facet not in facets:
            raise InvalidField("facet", facet, f"one of {', '.join(facets) or 'none'}")
    return {facet: round(min(1.0, max(0.0, at + deltas.get(facet, 0.0))), 2) for facet, at in facets.items()}
