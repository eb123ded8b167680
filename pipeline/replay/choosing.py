"""Which turns of the log are run again."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from infra.event_log.port import QueryRefused, QueryStopped
from pipeline.log_files import IDS_PAGE, NO_TURN, Ask, turn_ids
from schemas.ids import LIVE_RUN

PARALLEL: Final = 8  # turns at once: each stage does no more at once than a worker of it would
CONTROL: Final = "{}-control"
"""The run that does with the usual settings what a replay does with changed ones."""
_PAGE: Final = """
SELECT turn::VARCHAR, tenant, "user", kind, status, opened_at, speech FROM turns
WHERE run = $of AND turn > $after::UUID AND opened_at IS NOT NULL
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
  AND ($since IS NULL OR opened_at >= $since::TIMESTAMPTZ) AND ($until IS NULL OR opened_at < $until::TIMESTAMPTZ)
  AND {where}
ORDER BY turn LIMIT {limit}"""
_DONE: Final = f"""
SELECT turn::VARCHAR FROM events
WHERE run = $run AND type IN ('TurnCompleted', 'TurnFailed') AND turn > $after::UUID
ORDER BY turn LIMIT {IDS_PAGE}"""
_BEGINS_A_QUERY: Final = ("select", "with", "from")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turns, of which run. `where`: a condition on the view `turns`, or a SELECT of one column, the turn."""

    conversation: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # left out
    where: str | None = None
    of: str = LIVE_RUN


@dataclass(slots=True)
class Chosen:
    """Turns by their ids, each user's in the order in which they began."""

    by_user: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (tenant, user) -> turns
    spoken: int = 0  # that began with a recording
    sounded: int = 0  # that wanted the reply as sound
    unfinished: int = 0  # left out: they had no end yet
    first_at: datetime | None = None

    @property
    def ids(self) -> list[str]:
        """All of them."""
        return [turn for turns in self.by_user.values() for turn in turns]


def condition(where: str | None) -> str:
    """`where` as SQL. It is the person's own, and the log answers a single SELECT only, whatever stands in it."""
    if where is None or not where.strip():
        return "TRUE"
    text = where.strip().rstrip(";")
    words = text.split(maxsplit=1)
    is_query = bool(words) and words[0].lower() in _BEGINS_A_QUERY
    # On lines of their own, so that a comment at the end of it ends there.
    return f"turn IN (\n{text}\n)" if is_query else f"(\n{text}\n)"


async def chosen(ask: Ask, wanted: Wanted, leave_out: frozenset[str] = frozenset()) -> Chosen:
    """The turns that are wanted, without those to leave out and those that have not ended. Raises QueryRefused."""
    found = Chosen()
    after, limit = NO_TURN, IDS_PAGE
    bounds = {"of": wanted.of, "conversation": wanted.conversation, "since": wanted.since, "until": wanted.until}
    while True:
        sql = _PAGE.format(where=condition(wanted.where), limit=limit)
        try:
            table = await ask(sql, {**bounds, "after": after})
        except QueryRefused as refused:
            if "bytes" in refused.expected and limit > 1:
                limit //= 2
                continue
            if isinstance(refused, QueryStopped):
                raise
            raise QueryRefused(wanted.where or sql, refused.expected) from None
        for turn, tenant, user, kind, status, opened_at, speech in table.rows:
            if status == "open":
                found.unfinished += 1
            elif turn not in leave_out:
                found.by_user.setdefault((str(tenant), str(user)), []).append(str(turn))
                found.spoken += kind == "speech"
                found.sounded += bool(speech)
                at = datetime.fromisoformat(str(opened_at))
                found.first_at = at if found.first_at is None else min(found.first_at, at)
        if not table.rows:
            return found
        after = str(table.rows[-1][0])


async def ended_in(ask: Ask, run: str) -> frozenset[str]:
    """The turns that have an end in a run."""
    return frozenset(await turn_ids(ask, _DONE, {"run": run}))


async def is_there(ask: Ask, run: str) -> bool:
    """Whether the log has anything of a run."""
    table = await ask("SELECT 1 FROM events WHERE run = $run LIMIT 1", {"run": run})
    return bool(table.rows)
