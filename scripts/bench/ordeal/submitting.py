"""A turn as a front-end submits it, for whoever talks to the house."""

from infra.clock import Clock, new_id
from schemas.event import Event, Fact, Meta
from schemas.intake import Submission


def submitted(fact: Submission, conversation: str, user: str, clock: Clock, *, speech: bool) -> Event[Fact]:
    """The first event of a new turn; `speech`: the reply is wanted as sound too."""
    turn = new_id()
    meta = Meta(
        id=turn,
        type=type(fact).__name__,
        conversation=conversation,
        turn=turn,
        user=user,
        time=clock.now(),
        speech=speech,
    )
    return Event[Fact].first(fact, meta)
