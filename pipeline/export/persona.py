"""What was learned of people, as the log tells it: by the turn it was learned from, and as it stood then. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.export.turns import Payload


@dataclass(frozen=True, slots=True)
class Update:
    """Some facets of one user moved. Values are 0 to 1."""

    user: str
    time: datetime
    facets: Mapping[str, float]  # where they stand now
    before: Mapping[str, float]  # where they stood, as far as anybody knows
    reason: str | None = None


@dataclass(slots=True)
class Persona:
    """All updates of a run."""

    by_turn: dict[str, list[Update]] = field(default_factory=dict)
    _times: dict[str, list[datetime]] = field(default_factory=dict)  # by user, like the next
    _stood: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)  # all facets from each of the times on

    @classmethod
    def of(cls, told: Iterable[tuple[str, datetime, Payload]]) -> "Persona":
        """From user, time and fact of each PersonaUpdated, in the order of events.

        Where a facet stood before, if the fact does not tell it, is known from the update before.
        """
        persona = cls()
        for user, time, fact in told:
            stood = persona._stood.setdefault(user, [])
            known = dict(stood[-1]) if stood else {}
            facets = {str(facet): float(value) for facet, value in fact.get("facets", {}).items()}
            before = {facet: known[facet] for facet in facets if facet in known} | dict(fact.get("before", {}))
            update = Update(user, time, facets, before, fact.get("reason"))
            persona.by_turn.setdefault(str(fact.get("about", "")), []).append(update)
            persona._times.setdefault(user, []).append(time)
            stood.append(known | facets)
        return persona

    def at(self, user: str, time: datetime) -> Mapping[str, float]:
        """The user's facets just before the moment."""
        place = bisect_left(self._times.get(user, []), time)
        return self._stood[user][place - 1] if place else {}
