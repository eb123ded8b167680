"""The intent stage: hears what somebody typed or said, says what they want.

Does not act on anything, remembers nothing, and never speaks of several utterances at once.
"""

from collections.abc import AsyncIterator

from schemas.event import Event, Fact
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.stage import Stage
from schemas.turns import TextTurnOpened
from stages.intent.classify import IntentGiven, classify


async def understand(
    event: Event[TextTurnOpened | TranscriptReady], given: IntentGiven, earlier: tuple[Fact, ...]
) -> AsyncIterator[Fact]:
    """One IntentClassified for one utterance. Raises InvalidField for an unknown time zone."""
    del earlier  # the same utterance gives the same intents, under the same id
    meta, fact = event.meta, event.fact
    empty_because = fact.empty_because if isinstance(fact, TranscriptReady) else None
    intents = await classify(fact.text, meta.time, meta.time_zone, given, meta.deadline)
    yield IntentClassified(text=fact.text, intents=intents, empty_because=empty_because)


INTENT: Stage[IntentGiven] = Stage(
    name="intent",
    hears=(TextTurnOpened, TranscriptReady),
    says=(IntentClassified,),
    handle=understand,
    slots=2,
)
