"""Announces the reminders whose time has come, each once, however many routers look, and late ones as late.

What is announced goes into the outbox in the transaction that marks it; the router's worker publishes from there.
Only the live run: a replay announces nothing.
"""

from datetime import datetime, timedelta
from typing import Final

from infra.state import outbox, reminders
from infra.state.port import State
from infra.state.reminders import Reminder
from schemas.event import Event, Fact, Meta
from schemas.ids import LIVE_RUN, RunId, TurnId, event_id
from schemas.tasks import ReminderDue
from stages.router import english, moments
from stages.router.asked import quoted

AT_ONCE: Final = 100  # reminders a transaction: the write lock is given back in between
LATE_AFTER: Final = timedelta(minutes=5)  # then the announcement says when it was due


async def announce_due(state: State, now: datetime) -> list[Event[Fact]]:
    """Mark and announce all that is due; the events, which already wait in the outbox. Raises StateError."""
    announced: list[Event[Fact]] = []
    while True:
        async with state.transaction() as tx:
            due = await reminders.claim_due(tx, LIVE_RUN, now, AT_ONCE)
            events = [_announcement(reminder, now) for reminder in due]
            for event in events:
                await outbox.add(tx, event, now)
        announced += events
        if len(due) < AT_ONCE:
            return announced


def _announcement(reminder: Reminder, now: datetime) -> Event[Fact]:
    cause = f"reminder:{reminder.id}"
    fact = ReminderDue(
        reminder=reminder.id, title=reminder.title, due_at=reminder.due_at, message=_message(reminder, now)
    )
    meta = Meta(
        # A reminder that was moved after its announcement is announced again: the count of moves tells the two apart.
        id=event_id(TurnId(reminder.turn), RunId(reminder.run), cause, "router", reminder.moved),
        type=ReminderDue.__name__,
        tenant=reminder.tenant,
        run=reminder.run,
        conversation=reminder.conversation,
        turn=reminder.turn,
        number=reminder.number,
        user=reminder.user,
        cause=cause,
        stage="router",
        time=now,
        time_zone=reminder.time_zone,
        speech=reminder.speech,
    )
    return Event[Fact].first(fact, meta)


def _message(reminder: Reminder, now: datetime) -> str:
    zone = moments.zone_of(reminder.time_zone)
    due, here = reminder.due_at.astimezone(zone), now.astimezone(zone)
    if now - reminder.due_at <= LATE_AFTER:
        return f"It's {english.clock_time(due)}: here is your reminder for {quoted(reminder.title)}."
    at = moments.spoken(due, here)
    return f"Your reminder for {quoted(reminder.title)} was due {at}, while I was away."
