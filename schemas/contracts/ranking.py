"""The order of memories or candidates, as a model answers it: always a permutation of the ids that were given.

A JSON schema cannot say "each of these once" of a list: the grammars of xgrammar and llama.cpp ignore `uniqueItems`,
and listing all orders takes N! alternatives. So the answer is an object with one digit for each id, all of them
required, in the order given: no id can be missing, doubled or made up. The order follows from the digits; ids with the
same digit stay as they were, so an engine without an opinion changes nothing. With ten digits for at most ten ids every
permutation can be said.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from schemas.contracts.contract import Contract, entries, keyed

RANKED_MAX: Final = 10
DIGIT_MAX: Final = 9

Digit = Annotated[int, Field(ge=0, le=DIGIT_MAX)]


class Ranking(Contract):
    """How well each one fits, from 0 (not at all) to 9 (best). Made with `ranking_of`."""

    @property
    def ranked(self) -> tuple[str, ...]:
        """All ids, best first."""
        scores = entries(self)
        return tuple(sorted(scores, key=lambda key: -scores[key]))


def ranking_of(ids: Sequence[str]) -> type[Ranking]:
    """The contract for these 2 to RANKED_MAX ids, best guess first. Raises InvalidField."""
    return keyed(Ranking, ids, Digit, RANKED_MAX)
