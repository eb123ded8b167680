"""The turn that feedback is about, as the log knows it: whose it is, and between how many candidates was chosen.

Asked by the front-end before it submits: only the log knows turns of all ages, and the keeper must not wait for it.
"""

from dataclasses import dataclass
from typing import Final

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE
from infra.event_log.port import Json
from pipeline.logging_stage import ask_log
from schemas import subjects
from schemas.catalogue import arrived
from schemas.chat import ReplyGenerated
from schemas.errors import InvalidField
from schemas.event import Event, Fact, Meta
from schemas.turns import OPENINGS

SQL: Final = """
SELECT id, type, conversation, "user", number, time, time_zone, speech,
    (SELECT max(json_array_length(g.payload, '$.candidates')) FROM events AS g
     WHERE g.tenant = $tenant AND g.run = $run AND g.turn = $turn AND g.type = 'ReplyGenerated') AS candidates
FROM events
WHERE tenant = $tenant AND run = $run AND turn = $turn AND type IN ('TextTurnOpened', 'SpeechTurnOpened')
LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Judged:
    """A turn that can be judged."""

    meta: Meta  # of the event that opened it
    candidates: int | None  # of its reply; None when that is not on record


async def find(bus: Bus, tenant: str, run: str, turn: str) -> Judged | None:
    """The turn, from the log, or from the stream when it is so new that the log has not got all of it yet.

    Raises BusUnavailable when nobody answers for the log.
    """
    logged: Judged | None = None
    table = await ask_log(bus, SQL, {"tenant": tenant, "run": run, "turn": turn})
    for row in table.rows:
        told: dict[str, Json] = dict(zip(table.columns, row, strict=True))
        candidates = told.pop("candidates")
        meta = Meta.model_validate({**told, "tenant": tenant, "run": run, "turn": turn})
        logged = Judged(meta, candidates if isinstance(candidates, int) else None)
    if logged is not None and logged.candidates is not None:
        return logged
    held = await bus.messages(subjects.EVENT_STREAM, f"{subjects.ROOT}.{tenant}.{run}.*.*.{turn}.*")
    events = [arrived(message.subject, message.data, message.headers.get(TYPE)) for _, message in held]
    return _judged(events) or logged


def _judged(events: list[Event[Fact]]) -> Judged | None:
    opened = next((event.meta for event in events if isinstance(event.fact, OPENINGS)), None)
    if opened is None:
        return None
    replies = [len(event.fact.candidates) for event in events if isinstance(event.fact, ReplyGenerated)]
    return Judged(opened, max(replies, default=None))


def refuse_unless_own(field: str, turn: str, found: Judged | None, user: str) -> Meta:
    """The turn's meta, when it is there and the user's. Raises InvalidField."""
    if found is None:
        raise InvalidField(
            field, turn, "a turn that the log has, and that was opened; `parley log query 'FROM turns'` lists them"
        )
    if found.meta.user != user:
        raise InvalidField(field, turn, f"a turn of the user {user!r} (--user says in whose name)")
    return found.meta


def refuse_unless_there(field: str, preferred: int | None, found: Judged) -> None:
    """Raises InvalidField when the turn's reply had no such candidate, or no other, or none that is on record."""
    if preferred is None:
        return
    if found.candidates is None:
        raise InvalidField(field, preferred, "a turn whose candidates are on record; of this one none are")
    if found.candidates < 2:
        raise InvalidField(field, preferred, "a turn with several candidates; this one had no other to prefer")
    if preferred >= found.candidates:
        raise InvalidField(field, preferred, f"a candidate that there was: 0 to {found.candidates - 1}")
