"""Which turns are not taken: too many of the conversation wait, or its user has had too many lately."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from infra.state import turns
from infra.state.port import Transaction
from schemas.event import Meta
from schemas.ids import LIVE_RUN
from schemas.turns import FailureCode, StageFailed

WAITING_MAX: Final = 16  # turns of one conversation that wait for their time; beyond it a submission is told "busy"
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a turn is not taken, and after how many seconds it would be, where that is known."""

    code: FailureCode
    failure: StageFailed | None = None
    wait_s: int | None = None


async def refusal_of(tx: Transaction, meta: Meta, now: datetime, turns_per_minute: int | None) -> Refusal | None:
    """Which limit the turn is beyond, and what the person is told; None when it is taken."""
    if await turns.waiting(tx, meta) >= WAITING_MAX:
        limit = f"at most {WAITING_MAX} turns of one conversation that wait for their time; try again after a reply"
        return Refusal("busy", _failure("busy", "ConversationBusy", "conversation", f"more than {WAITING_MAX}", limit))
    if turns_per_minute is None or meta.run != LIVE_RUN:  # a replay goes as fast as it can
        return None
    taken = await turns.taken_at(tx, meta, turns_per_minute)
    wait = MINUTE if taken is None else MINUTE - (now - taken)
    if taken is None or not timedelta() < wait <= MINUTE:  # beyond: a clock that was put back
        return None
    wait_s = math.ceil(wait.total_seconds())
    limit = f"at most {turns_per_minute} turns a minute; try again in {wait_s} s"
    failure = _failure("too-many", "TooManyTurns", "turns_per_minute", f"more than {turns_per_minute}", limit)
    return Refusal("too-many", failure, wait_s)


def _failure(code: FailureCode, error: str, field: str, value: str, limit: str) -> StageFailed:
    told = {"field": field, "value": value, "expected": limit}
    return StageFailed(failed_stage="keeper", error=error, message=limit, code=code, tries=1, **told)
