"""Lets go of what only served to handle messages once, when it is too old to matter. Touches nothing of a person's."""

import asyncio
from datetime import datetime

from infra.state import inbox, outbox, questions
from infra.state.port import State


async def prune(state: State, now: datetime) -> int:
    """Delete what is past its age, a limited number of rows a transaction so that others get a turn; how many went."""
    total = 0
    while True:
        async with state.transaction() as tx:
            gone = (await inbox.prune(tx, now)) + (await outbox.prune(tx, now)) + (await questions.prune(tx, now))
        total += gone
        if gone < inbox.PRUNED_AT_ONCE:
            return total
        await asyncio.sleep(0)  # a transaction that nobody else wants waits for nothing
