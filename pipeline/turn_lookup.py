"""One live turn by its id alone, with all that was told of it: from the stream while it is there, else from the log.

The stream has what happened just now, the log what happened long ago. Whose turn it is stands in its meta.
"""

import contextlib
import json
from collections.abc import Iterable
from typing import Final

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Hop
from infra.event_log.port import Json, Table
from pipeline.front_end import FollowedTurn, Told
from pipeline.logging_stage import ask_log_at_length
from schemas import subjects
from schemas.catalogue import arrived, decode
from schemas.errors import SchemaError
from schemas.event import Event, Fact, Meta
from schemas.ids import LIVE_RUN, Tenant, TurnId
from schemas.turns import OPENINGS, TurnFailed, TurnInterrupted

_META: Final = tuple(Meta.model_fields)
_COLUMNS: Final = ", ".join(f'"{name}"' for name in _META)
SQL: Final = (
    f"SELECT {_COLUMNS}, queue_ms, work_ms, attempt, payload::VARCHAR AS payload "
    "FROM events WHERE tenant = $tenant AND run = $run AND turn = $turn::UUID AND type <> 'invalid' ORDER BY stream_seq"
)
WATERFALL: Final = ("stage", "cause", "type", "time", "queue_ms", "work_ms", "attempt", "payload")
"""The columns of which pipeline/waterfall.py makes spans."""


async def turn_of(bus: Bus, tenant: Tenant, turn: TurnId) -> FollowedTurn | None:
    """The turn from its opening on, or the end of one that was never opened; None when there is none of this id.

    Events that cannot be read are left out.

    Raises BusUnavailable, QueryStopped when the log cannot be asked.
    """
    subject = f"{subjects.ROOT}.{tenant}.{LIVE_RUN}.*.*.{turn}.*"
    held = await bus.messages(subjects.EVENT_STREAM, subject)
    told: list[Told] = []
    for _, message in held:
        with contextlib.suppress(SchemaError):
            event = arrived(message.subject, message.data, message.headers.get(TYPE))
            told.append(Told(event, Hop.read(message.headers)))
    found = _from_its_beginning(told)
    if found is not None:
        return found
    table = await ask_log_at_length(bus, SQL, {"tenant": tenant, "run": LIVE_RUN, "turn": turn})
    rows = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    return _from_its_beginning([*_told(rows), *told])


def waterfall_table(found: FollowedTurn) -> Table:
    """What was told of a turn as the rows of which its waterfall is drawn."""
    rows = tuple(
        (
            *(each.event.meta.stage, each.event.meta.cause, each.event.meta.type, each.event.meta.time.isoformat()),
            *(each.hop.queue_ms, each.hop.work_ms, each.hop.attempt, each.event.fact.model_dump_json()),
        )
        for each in found.told
        if each.event.meta.type not in ("FeedbackRecorded", "PersonaUpdated")  # said long after the end
    )
    return Table(WATERFALL, ("VARCHAR",) * len(WATERFALL), rows)


def _from_its_beginning(told: list[Told]) -> FollowedTurn | None:
    """None without a beginning: the stream has forgotten how the turn began, or it has not begun."""
    began = next((t.event.meta for t in told if _begins(t.event)), None)
    if began is None:
        return None
    once: dict[str, Told] = {}
    for each in told:
        once.setdefault(each.event.meta.id, each)
    return FollowedTurn(began, list(once.values()))


def _begins(event: Event[Fact]) -> bool:
    """The keeper gives a turn its deadline when it opens it: an end without one is that of a turn that never was."""
    ends_unopened = isinstance(event.fact, TurnFailed | TurnInterrupted) and event.meta.deadline is None
    return ends_unopened or isinstance(event.fact, OPENINGS)


def _told(rows: Iterable[dict[str, Json]]) -> Iterable[Told]:
    for row in rows:
        meta = json.dumps({name: row[name] for name in _META if row[name] is not None})
        with contextlib.suppress(SchemaError):
            event = decode(f'{{"meta":{meta},"fact":{row["payload"]}}}'.encode(), str(row["type"]))
            yield Told(event, _hop(row))


def _hop(row: dict[str, Json]) -> Hop:
    queue_ms, work_ms, attempt = row["queue_ms"], row["work_ms"], row["attempt"]
    if not (isinstance(queue_ms, int | float) and isinstance(work_ms, int | float) and isinstance(attempt, int)):
        return Hop(str(row["stage"]))
    return Hop(str(row["stage"]), float(queue_ms), float(work_ms), attempt)
