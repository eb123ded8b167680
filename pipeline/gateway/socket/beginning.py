"""Where a session on the socket begins: in whose conversation, and at which place of the stream."""

import contextlib
from dataclasses import dataclass

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE
from infra.bus.errors import BusUnavailable
from pipeline.gateway.refusals import no_such_conversation
from pipeline.state_desk import OWNER, Question, StateNotAsked, ask_state
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.ids import LIVE_RUN, ConversationId, RunId, Tenant
from schemas.socket import said


@dataclass(frozen=True, slots=True)
class Beginning:
    """What of a stream is told: that of `subject` beyond `after`, the sound of it only beyond `audio_after`."""

    stream: str
    subject: str
    made_at: str  # when the stream was made, which tells streams of one name apart
    after: int
    audio_after: int
    newest: int  # of the subject

    @property
    def catch_up_to(self) -> int:
        """The last place of what was said before; 0 where nothing of it is to be told."""
        return self.newest if self.newest > self.after else 0


async def beginning(bus: Bus, tenant: str, user: str, conversation: str, hello: said.Hello) -> Beginning:
    """As the client wishes, or anew where the bus has come back without its data. Raises BusUnavailable.

    A conversation that somebody else has begun is not joined: raises NotFound.
    """
    stream = subjects.stream_of(subjects.partition_of(ConversationId(conversation)))
    whole = subjects.subject_of(Tenant(tenant), RunId(LIVE_RUN), conversation, "*", "*")  # type: ignore[arg-type]
    if hello.conversation is not None:
        question = Question(user=user, tenant=tenant, conversation=conversation)
        if await _owner(bus, question, stream, whole) not in (None, user):
            raise no_such_conversation()
    made_at = (await bus.began(stream)).isoformat()
    newest = await bus.newest(stream, whole)
    after = newest if hello.after is None else hello.after
    audio_after = hello.audio_after or 0
    if hello.stream not in (None, made_at) or await _is_beyond(bus, stream, hello.after):
        after = audio_after = 0  # places of then mean nothing
    return Beginning(stream, whole, made_at, after, max(after, audio_after), newest)


async def _owner(bus: Bus, question: Question, stream: str, whole: str) -> str | None:
    """Whose the conversation is, as the books have it, else by the oldest event of it that the stream has."""
    with contextlib.suppress(BusUnavailable, StateNotAsked):
        if (owner := await ask_state(bus, OWNER, question)) is not None:
            return owner
    for _, message in await bus.messages(stream, whole, 1):
        with contextlib.suppress(SchemaError):
            return arrived(message.subject, message.data, message.headers.get(TYPE)).meta.user
    return None


async def _is_beyond(bus: Bus, stream: str, place: int | None) -> bool:
    """Whether a stream has not come to this place yet, so that it was another stream's."""
    return place is not None and place > (await bus.extent(stream)).last_seq
