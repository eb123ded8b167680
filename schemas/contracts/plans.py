"""A plan of steps, and the changes to it that a model proposes.

The contract is made for one plan, so that only its own steps can be named. What a schema cannot say (a step that is
removed and then replaced, one that is moved behind itself) is refused by `adapted`, change by change, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, Union

from pydantic import Field, create_model

from schemas.contracts.contract import KEY_MAX_CHARS, Contract, Line
from schemas.errors import InvalidField

STEPS_MAX: Final = 12
CHANGES_MAX: Final = 4
START: Final = "start"  # stands for a step before the first one
NEW: Final = "new"  # ids of inserted steps: new1, new2 ...

Do = Annotated[str, Line(60)]
StepId = Annotated[str, Line(KEY_MAX_CHARS)]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    id: str
    do: str


class Keep(Contract):
    """The step stays as it is, whatever another change says."""

    op: Literal["keep"]
    step: StepId


class Remove(Contract):
    """The step is not done."""

    op: Literal["remove"]
    step: StepId


class Replace(Contract):
    """Something else is done in the step's place."""

    op: Literal["replace"]
    step: StepId
    do: Do


class Insert(Contract):
    """A new step behind another; behind `start` it is the first."""

    op: Literal["insert"]
    after: StepId
    do: Do


class Move(Contract):
    """The step is done behind another."""

    op: Literal["move"]
    step: StepId
    after: StepId


Change: TypeAlias = Keep | Remove | Replace | Insert | Move


class Adaptation(Contract):
    """The changes to a plan, applied in this order; none: it is good as it is. Made with `adaptation_of`."""

    changes: tuple[Annotated[Change, Field(discriminator="op")], ...] = Field(max_length=CHANGES_MAX)


def adaptation_of(plan: Sequence[Step]) -> type[Adaptation]:
    """The contract for changes to this plan. Raises InvalidField: no steps, too many, an id twice or reserved."""
    ids = tuple(step.id for step in plan)
    if not 1 <= len(ids) <= STEPS_MAX:
        raise InvalidField("plan", len(ids), f"1 to {STEPS_MAX} steps")
    for place, name in enumerate(ids):
        if name in ids[:place] or name == START or not 0 < len(name) <= KEY_MAX_CHARS:
            raise InvalidField("step", name, f"an id of 1 to {KEY_MAX_CHARS} characters, each once, none {START!r}")
    step: Any = (Literal[ids], ...)
    after: Any = (Literal[(START, *ids)], ...)
    named: dict[type[Contract], dict[str, Any]] = {
        Keep: {"step": step},
        Remove: {"step": step},
        Replace: {"step": step},
        Insert: {"after": after},
        Move: {"step": step, "after": after},
    }
    kinds: Any = Union[tuple(_narrowed(kind, fields) for kind, fields in named.items())]  # noqa: UP007  # at run time
    changes: Any = (tuple[Annotated[kinds, Field(discriminator="op")], ...], Field(max_length=CHANGES_MAX))
    return create_model("Adaptation", __base__=Adaptation, changes=changes)


def _narrowed(kind: type[Contract], fields: dict[str, Any]) -> type[Contract]:
    return create_model(kind.__name__, __base__=kind, **fields)


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made, and why."""

    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class Adapted:
    """The plan after all changes that could be made."""

    plan: tuple[Step, ...]
    refused: tuple[Refused, ...]


class _Impossible(Exception):
    """Says why."""


def adapted(plan: Sequence[Step], adaptation: Adaptation) -> Adapted:
    """Make the changes, one after another, each on what the ones before it left. What cannot be made is left out."""
    steps = list(plan)
    kept = {change.step for change in adaptation.changes if isinstance(change, Keep)}
    touched: set[str] = set()
    refused: list[Refused] = []
    for change in adaptation.changes:
        try:
            steps = _changed(steps, change, kept, touched)
        except _Impossible as why:
            refused.append(Refused(change, str(why)))
    return Adapted(tuple(steps), tuple(refused))


def _changed(steps: list[Step], change: Change, kept: set[str], touched: set[str]) -> list[Step]:
    if isinstance(change, Insert):
        place = _behind(steps, change.after)
        if len(steps) >= STEPS_MAX:
            raise _Impossible(f"a plan has at most {STEPS_MAX} steps")
        return [*steps[:place], Step(_fresh(steps), change.do), *steps[place:]]
    at = _place(steps, change.step)
    if isinstance(change, Keep):
        return steps
    if change.step in kept and not isinstance(change, Move):
        raise _Impossible(f"step {change.step!r} is to be kept")
    if (mark := f"{change.op} {change.step}") in touched:
        raise _Impossible(f"step {change.step!r} has had this change already")
    rest = steps[:at] + steps[at + 1 :]
    if isinstance(change, Remove):
        if not rest:
            raise _Impossible("it is the last step, and a plan without steps is none")
        changed = rest
    elif isinstance(change, Replace):
        changed = [*steps[:at], Step(change.step, change.do), *steps[at + 1 :]]
    else:
        if change.after == change.step:
            raise _Impossible(f"step {change.step!r} cannot stand behind itself")
        place = _behind(rest, change.after)
        changed = [*rest[:place], steps[at], *rest[place:]]
    touched.add(mark)
    return changed


def _place(steps: Sequence[Step], name: str) -> int:
    for place, step in enumerate(steps):
        if step.id == name:
            return place
    raise _Impossible(f"there is no step {name!r} any more; there are {', '.join(step.id for step in steps)}")


def _behind(steps: Sequence[Step], after: str) -> int:
    return 0 if after == START else _place(steps, after) + 1


def _fresh(steps: Sequence[Step]) -> str:
    taken = {step.id for step in steps}
    return next(name for name in (f"{NEW}{number}" for number in range(1, STEPS_MAX + 2)) if name not in taken)
