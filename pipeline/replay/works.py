"""What is to be done again for each turn: what was said before, and the state as the router found it then."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from pipeline.replay.folding import Folding
from pipeline.replay.logged import ENDS, LoggedEvents, Unreadable
from schemas.event import Event, Fact
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.turns import OPENINGS, TextTurnOpened


@dataclass(slots=True)
class Work:
    """One turn to be run again."""

    turn: str
    events: list[Event[Fact]] = field(default_factory=list)  # of the logged turn, in the order of the log
    image: bytes | None = None  # of the state; None where no stage that uses it runs

    @property
    def opened(self) -> Event[Fact] | None:
        """How it began."""
        return next((event for event in self.events if isinstance(event.fact, OPENINGS)), None)


@dataclass(frozen=True, slots=True)
class Left:
    """A turn that cannot be run again, and why."""

    turn: str
    why: str


async def with_state(
    logged: LoggedEvents, users: Collection[tuple[str, str]], ids: frozenset[str], folding: Folding
) -> AsyncIterator[Work | Left]:
    """The turns in the order in which they ended, each with its state; their users' other turns only make the state."""
    begun: dict[str, Work] = {}
    waiting = set(ids)
    async for event in logged.of_users(sorted(users)):
        if isinstance(event, Unreadable):
            if event.turn in waiting:
                waiting.discard(event.turn)
                begun.pop(event.turn, None)
                yield Left(event.turn, f"{event.type} cannot be read: {event.why}")
            continue
        turn = event.meta.turn
        work = begun.setdefault(turn, Work(turn)) if turn in waiting else None
        if work is not None:
            if work.image is None and (folding.is_about_to_act(event) or isinstance(event.fact, ENDS)):
                work.image = await folding.image(event)
            work.events.append(event)
        await folding.take_in(event)
        if work is not None and isinstance(event.fact, ENDS):
            waiting.discard(turn)
            yield _whole(begun.pop(turn))
            if not waiting:
                return
    for turn in sorted(waiting):
        yield Left(turn, "its end is not among what the log has of it")


async def without_state(logged: LoggedEvents, ids: frozenset[str]) -> AsyncIterator[Work | Left]:
    """The turns in the order in which they began."""
    async for turn, events in logged.of_turns(sorted(ids)):
        unread = next((event for event in events if isinstance(event, Unreadable)), None)
        if unread is not None:
            yield Left(turn, f"{unread.type} cannot be read: {unread.why}")
        else:
            yield _whole(Work(turn, [event for event in events if not isinstance(event, Unreadable)]))


def _whole(work: Work) -> Work | Left:
    """The turn, if the log has its beginning and what was said in it."""
    if work.opened is None:
        return Left(work.turn, "its beginning is not in the log any more")
    if any(is_emptied(event.fact) for event in work.events):
        return Left(work.turn, "what was said is not in the log (training_data was off)")
    return work


def is_emptied(fact: Fact) -> bool:
    """Whether what was said has been left out of this."""
    match fact:
        case TextTurnOpened(text=""):
            return True
        case TranscriptReady(text="", empty_because=None) | IntentClassified(text="", empty_because=None):
            return True
        case _:
            return False
