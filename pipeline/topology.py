"""Who hears and says what: the one list of all that take part. The README's table is made from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pipeline import keeper
from schemas import catalogue, speech, turns
from schemas.event import Fact
from schemas.stage import Stage
from schemas.tasks import ReminderDue
from stages.chat import CHAT
from stages.intent import INTENT
from stages.reranker import RERANKER
from stages.router.stage import ROUTER
from stages.stt import STT
from stages.training_logger import TRAINING_LOGGER
from stages.tts import TTS

STAGES: Final[tuple[Stage[Any], ...]] = (STT, INTENT, ROUTER, CHAT, RERANKER, TTS)
"""Those that turn one event into the next, in the order of a turn."""

FRONT_ENDS: Final = "front-ends"
FRONT_ENDS_HEAR: Final[tuple[type[Fact], ...]] = (
    *(speech.TranscriptReady, speech.SpeechReady, ReminderDue),
    *(turns.TurnCompleted, turns.TurnFailed, turns.TurnInterrupted),
)

LOGGER: Final = TRAINING_LOGGER.name

PROCESSES: Final[tuple[str, ...]] = (keeper.NAME, *(stage.name for stage in STAGES), LOGGER)
"""All that `parley up` starts besides bus and engine, one process each."""


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the table."""

    name: str
    hears: tuple[str, ...]
    says: tuple[str, ...]


def parts() -> tuple[Part, ...]:
    """Everybody who takes part, in the order of a turn. Any stage may also say StageFailed, through its worker."""
    return (
        Part(FRONT_ENDS, _names(FRONT_ENDS_HEAR), _names(catalogue.SUBMISSIONS)),
        Part(keeper.NAME, _names((*keeper.HEARS_INTAKE, *keeper.HEARS)), _names(keeper.SAYS)),
        *(Part(stage.name, _names(stage.hears), _names(stage.says)) for stage in STAGES),
        Part(LOGGER, ("every event",), ()),
    )


def markdown() -> str:
    """The table as the README has it."""
    rows = [f"| {p.name} | {', '.join(p.hears)} | {', '.join(p.says) or '-'} |" for p in parts()]
    return "\n".join(["| who | hears | says |", "|---|---|---|", *rows])


def _names(facts: Iterable[type[Fact]]) -> tuple[str, ...]:
    return tuple(fact.__name__ for fact in facts)
