"""From an utterance to its intents: cut it into parts, decide what each wants, and take the particulars from its words.

Pure but for the models it is given: no bus, no clock ("now" is an argument). What takes long runs in a thread.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from infra.embeddings import Embedder
from schemas.intents import Intent, IntentLabel
from stages.intent.completing import completed
from stages.intent.decision import Decision, Doubt, Shares, decide
from stages.intent.features import plain
from stages.intent.head import Head
from stages.intent.segments import Guess, cuts_of, parts_of
from stages.intent.slots import slots_of
from stages.intent.times import zone_of

NOTHING: Final = Intent(label=IntentLabel.UNKNOWN, confidence=1.0, text="")


@dataclass(frozen=True, slots=True)
class IntentGiven:
    """What the intent stage is given: a model that embeds, the head trained for it, and whom to ask in doubt."""

    embedder: Embedder
    head: Head
    doubt: Doubt = field(default_factory=Doubt)


async def classify(
    text: str, now: datetime, time_zone: str, given: IntentGiven, deadline: datetime | None = None
) -> tuple[Intent, ...]:
    """The intents of an utterance in the order in which they were said, at least one; nothing said: unknown.

    `now` is aware. `deadline` is when the engine must have been asked by; without one it is not asked.
    Raises InvalidField for a time zone that there is none of.
    """
    zone = zone_of(time_zone)
    cuts = cuts_of(" ".join(text.split()))
    if not cuts.text:
        return (NOTHING,)
    stretches = cuts.stretches()
    shares = await asyncio.to_thread(shares_of, stretches, given)
    guesses = {stretch: _guess(share) for stretch, share in zip(stretches, shares, strict=True)}
    parts = parts_of(cuts, guesses)
    told = dict(zip(stretches, shares, strict=True))
    threshold = given.head.about.threshold
    decisions = await asyncio.gather(*(decide(part, told[part], threshold, given.doubt, deadline) for part in parts))
    intents = await asyncio.to_thread(_intents, parts, decisions, now.astimezone(zone))
    return tuple(
        await asyncio.gather(*(completed(intent, now.astimezone(zone), given.doubt, deadline) for intent in intents))
    )


def shares_of(texts: Sequence[str], given: IntentGiven) -> list[Shares]:
    """The head's probabilities for each text. Blocks while it computes."""
    folded = [plain(text) for text in texts]
    rows = given.head.probabilities(folded, given.embedder.embed(folded))
    labels = given.head.about.labels
    return [dict(zip(labels, map(float, row), strict=True)) for row in rows]


def _guess(shares: Shares) -> Guess:
    best = max(shares, key=lambda label: shares[label])
    return Guess(best, shares[best])


def _intents(parts: Sequence[str], decisions: Sequence[Decision], now: datetime) -> tuple[Intent, ...]:
    return tuple(_intent(part, decision, now) for part, decision in zip(parts, decisions, strict=True))


def _intent(part: str, decision: Decision, now: datetime) -> Intent:
    return Intent(
        label=decision.label,
        confidence=round(decision.confidence, 4),
        text=part,
        slots=slots_of(decision.label, part, now),
        decided_by=decision.decided_by,
        prompt=decision.prompt,
    )
