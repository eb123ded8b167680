"""What happens to a message that can never be processed, or ran out of tries: it is kept whole, and its turn is told.

Does not end the turn: StageFailed tells the keeper, who does.
"""

import hashlib
import json
import traceback

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery, Hop
from infra.bus.streams import DEAD_SUBJECT
from infra.clock import Clock
from schemas.errors import InvalidField, NewerSchema, SchemaError
from schemas.event import Event, Fact, Meta
from schemas.ids import NOBODY, event_id
from schemas.subjects import parse_subject
from schemas.turns import StageFailed

STACK_MAX_CHARS = 8_000
HEADER_MAX_CHARS = 500
FAILED_INDEX = 1_000_000  # of StageFailed among what a stage says because of one event: beyond any real one


def failure_of(stage: str, error: BaseException, tries: int) -> StageFailed:
    """The failure as an event tells it; with field, value and what would be right when the input was at fault."""
    told = StageFailed(failed_stage=stage, error=type(error).__name__, message=str(error)[:1000], tries=max(tries, 1))
    if isinstance(error, InvalidField | NewerSchema):
        code = error.code if isinstance(error, InvalidField) else "invalid"
        fields = {"field": error.field, "value": str(error.value), "expected": error.expected, "code": code}
        told = told.model_copy(update=fields)
    return told


async def bury(bus: Bus, delivery: Delivery, failure: StageFailed, error: BaseException) -> None:
    """Put the message as it came into the dead-letter stream. Raises BusUnavailable; then it must not be given up."""
    stack = "".join(traceback.format_exception(error))[-STACK_MAX_CHARS:]
    about = failure.model_dump() | {"stack": stack, "subject": delivery.subject, "stream_seq": delivery.stream_seq}
    headers = {
        # One letter a message and stage, however often the burial is repeated.
        "Nats-Msg-Id": hashlib.blake2b(
            f"{failure.failed_stage} {delivery.subject} {delivery.stream_seq}".encode(), digest_size=16
        ).hexdigest(),
        "Parley-Stage": failure.failed_stage,
        "Parley-Error": _header(f"{failure.error}: {failure.message}"),
        "Parley-Tries": str(failure.tries),
        "Parley-Subject": delivery.subject,
        "Parley-About": json.dumps(about),
    }
    await bus.put(f"{DEAD_SUBJECT}.{failure.failed_stage}", delivery.payload, headers)


async def tell_keeper(bus: Bus, clock: Clock, meta: Meta, failure: StageFailed) -> None:
    """Say StageFailed for the turn. Raises BusUnavailable."""
    cause = Event[Fact].model_construct(meta=meta, fact=failure)
    event = cause.following(failure.failed_stage, FAILED_INDEX, failure, clock.now())
    await bus.say(event, Hop(failure.failed_stage, attempt=failure.tries))


def meta_of_subject(delivery: Delivery, clock: Clock) -> Meta:
    """What the subject alone tells of an event that cannot be read. Raises SchemaError when it tells nothing."""
    address = parse_subject(delivery.subject)
    return Meta(
        id=event_id(address.turn, address.run, str(delivery.stream_seq), "unreadable", 0),
        type=address.event,
        tenant=address.tenant,
        run=address.run,
        conversation=address.conversation,
        turn=address.turn,
        user=NOBODY,
        time=clock.now(),
    )


async def give_up(
    bus: Bus, clock: Clock, delivery: Delivery, stage: str, error: BaseException, meta: Meta | None
) -> None:
    """Bury the message, tell the keeper, and let the bus forget it; in that order, so that nothing can be lost."""
    failure = failure_of(stage, error, delivery.attempt)
    await bury(bus, delivery, failure, error)
    if meta is None:
        try:
            meta = meta_of_subject(delivery, clock)
        except SchemaError:
            meta = None
    if meta is not None:
        await tell_keeper(bus, clock, meta, failure)
    await delivery.never_again()


def _header(text: str) -> str:
    """Text as it may stand in a header: one line of ASCII, since clients read other bytes each in its own way."""
    return " ".join(text.encode("ascii", "backslashreplace").decode().split())[:HEADER_MAX_CHARS]
