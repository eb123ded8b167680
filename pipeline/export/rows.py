"""What a kind of training data is made of: rows, and what has to be known of each beside what it says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, TypeAlias

from pipeline.export.choosing import Choice
from pipeline.export.persona import Persona
from pipeline.export.turns import LoggedTurn

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """One row before masking."""

    row: Row
    turn: LoggedTurn
    key: tuple[str, ...]  # its texts by which duplicates are known
    apart: str = ""  # rows of equal texts that differ here teach different things
    preferred: bool = False  # a person had a hand in it: of duplicates it is the one that stays


@dataclass(slots=True)
class Gathering:
    """What the rows of a kind are made with, and what was left out on the way, by reason."""

    choice: Choice
    system: Callable[[LoggedTurn], str]
    others: Mapping[str, LoggedTurn] = field(default_factory=dict)  # turns that feedback compares with
    persona: Persona = field(default_factory=Persona)
    left_out: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def seed_time(turn: LoggedTurn) -> str:
    """When the turn was, as the seed writes it: "2025-10-19T10:30:00Z"."""
    return turn.time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Maker: TypeAlias = Callable[[LoggedTurn, Gathering], Iterator[Draft]]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of training data."""

    name: str
    says: str
    columns: Mapping[str, str]  # name -> DuckDB's type, for Parquet
    maker: Callable[[], Maker]  # made anew for each export: one may remember the turn before
    history: bool = True  # what was said before is part of it: the log's longest events are read
    unsure: bool = False  # turns of low confidence are, at least in part, what it is about
    seed_name: str | None = None  # the file's name and shape among the seed's
    seed_row: Callable[[Draft, Row, str], Row] | None = None  # the row and the user's id, masked, in the seed's shape
