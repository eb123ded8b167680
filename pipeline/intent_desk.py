"""Answers what an utterance would be taken for, over core NATS, with the intent stage's models. Nothing is acted on.

The intent processes answer and share the questions; a question waits behind no turn, but takes time of the same model.
"""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator

from infra.bus.connection import Bus
from infra.clock import Clock
from infra.settings import checked_zone
from pipeline.turn_result import intent_as_json
from schemas.catalogue import checked
from schemas.errors import InvalidField
from schemas.event import Frozen
from schemas.intake import sayable

if TYPE_CHECKING:
    from stages.intent import IntentGiven

ASK_SUBJECT: Final = "parley.ask.classify"
WITHIN_S: Final = 10.0  # for an engine to be asked about what the head is not sure of
ASK_TIMEOUT_S: Final = 12.0  # with the waiting behind other questions
ASKED_AT_ONCE: Final = 2


class Utterance(Frozen):
    """What was said, and where: "at three" is another moment in another time zone."""

    text: Annotated[str, AfterValidator(sayable)]
    time_zone: str


class IntentDesk:
    """Beside an intent worker."""

    def __init__(self, given: "IntentGiven", clock: Clock) -> None:
        self._given = given
        self._clock = clock

    def answer_on(self, bus: Bus) -> None:
        """Answer from `bus.start_answering` on."""
        bus.answer(ASK_SUBJECT, self.answer, at_once=ASKED_AT_ONCE)

    async def answer(self, payload: bytes) -> bytes:
        """{intents}, or {error: {field, value, expected}}."""
        from stages.intent import classify  # here only where the stage runs: it takes seconds to import

        try:
            asked = checked(Utterance, payload)
            now = self._clock.now()
            zone = checked_zone("time_zone", asked.time_zone)
            found = await classify(asked.text, now, zone, self._given, now + timedelta(seconds=WITHIN_S))
        except InvalidField as error:
            return json.dumps({"error": error.told()}).encode()
        return json.dumps({"intents": [intent_as_json(intent) for intent in found]}).encode()


async def ask_intents(bus: Bus, utterance: Utterance) -> list[dict[str, Any]]:
    """The intents as `parley classify` tells them. Raises BusUnavailable (no intent worker, or none in time)."""
    answer = json.loads(await bus.ask(ASK_SUBJECT, utterance.model_dump_json().encode(), timeout_s=ASK_TIMEOUT_S))
    if "error" in answer:
        raise InvalidField.retold(answer["error"])
    found: list[dict[str, Any]] = answer["intents"]
    return found
