"""Who hears and says what: the one list of all that take part. The README's table is made from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from schemas import catalogue, speech, turns
from schemas.errors import InvalidField
from schemas.event import Fact
from schemas.stage import Stage
from schemas.tasks import ReminderDue

KEEPER: Final = "keeper"
LOGGER: Final = "training_logger"
STAGE_NAMES: Final = ("stt", "intent", "router", "chat", "reranker", "tts")
"""Those that turn one event into the next, in the order of a turn."""
SAID_BESIDES: Final[dict[str, tuple[type[Fact], ...]]] = {"router": (ReminderDue,)}
"""What a stage's process says because of the clock and not of an event."""
PROCESSES: Final = (KEEPER, *STAGE_NAMES, LOGGER)
"""All workers, one process each: what a turn needs besides bus and engine."""
OPEN_STATE: Final = frozenset({KEEPER, "router"})
"""Those who open the state; all others ask the keeper."""
GATEWAY: Final = "gateway"
SERVED: Final = (*PROCESSES, GATEWAY)
"""All that `parley up` starts besides bus and engine."""

FRONT_ENDS: Final = "front-ends"
FRONT_ENDS_HEAR: Final[tuple[type[Fact], ...]] = (
    *(speech.TranscriptReady, speech.SpeechReady, speech.ApologySpoken, ReminderDue),
    *(turns.TurnCompleted, turns.TurnFailed, turns.TurnInterrupted),
)


def stage(name: str) -> Stage[Any]:
    """One stage's declaration. A process imports only its own stage: together they would take seconds."""
    if name not in _DECLARED:
        raise InvalidField("stage", name, f"one of {', '.join(STAGE_NAMES)}")
    module, attribute = _DECLARED[name]
    declared = getattr(import_module(module), attribute)
    assert isinstance(declared, Stage)  # what the table below names
    return declared


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the table."""

    name: str
    hears: tuple[str, ...]
    says: tuple[str, ...]


def parts() -> tuple[Part, ...]:
    """Everybody who takes part, in the order of a turn. Any stage may also say StageFailed, through its worker."""
    from pipeline import keeper

    stages = [stage(name) for name in STAGE_NAMES]
    return (
        Part(FRONT_ENDS, _names(FRONT_ENDS_HEAR), _names(catalogue.SUBMISSIONS)),
        Part(KEEPER, _names((*catalogue.SUBMISSIONS, *keeper.HEARS)), _names(keeper.SAYS)),
        *(
            Part(each.name, _names(each.hears), _names((*each.says, *SAID_BESIDES.get(each.name, ()))))
            for each in stages
        ),
        Part(LOGGER, ("every event",), ()),
    )


def markdown() -> str:
    """The table as the README has it."""
    rows = [f"| {p.name} | {', '.join(p.hears)} | {', '.join(p.says) or '-'} |" for p in parts()]
    return "\n".join(["| who | hears | says |", "|---|---|---|", *rows])


def _names(facts: Iterable[type[Fact]]) -> tuple[str, ...]:
    return tuple(fact.__name__ for fact in facts)


_DECLARED: Final[dict[str, tuple[str, str]]] = {
    "stt": ("stages.stt", "STT"),
    "intent": ("stages.intent", "INTENT"),
    "router": ("stages.router.stage", "ROUTER"),
    "chat": ("stages.chat", "CHAT"),
    "reranker": ("stages.reranker", "RERANKER"),
    "tts": ("stages.tts", "TTS"),
}
