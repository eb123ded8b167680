"""Asks an engine for the one slot without which an intent is nothing, where the head was in doubt and the patterns
found none. What it answers is believed only as far as the person said it (stages/intent/tools.py).
"""

from datetime import datetime

from infra.engines.port import EngineError, contract_ask
from schemas.contracts import SLOTS, tokens_needed
from schemas.intents import Intent
from stages.intent.decision import CANDIDATES, DESCRIPTIONS, Doubt
from stages.intent.prompting import FILL
from stages.intent.tools import NEEDED, Known, filled


async def completed(intent: Intent, now: datetime, doubt: Doubt, deadline: datetime | None) -> Intent:
    """The intent, with what it lacked if the engine finds it in the words. Never raises because of the engine.

    Nobody is asked about what the head was sure of or guessed, nor a model that is not to be trusted.
    """
    needed = NEEDED.get(intent.label)
    lacks = needed is not None and getattr(intent.slots, needed) is None
    if not lacks or intent.decided_by != "engine" or deadline is None or doubt.trust <= 1 / CANDIDATES:
        return intent
    if needed is None or doubt.engine is None or doubt.prompts is None:
        return intent
    contract = SLOTS[intent.label]
    values = {"utterance": intent.text, "wish": DESCRIPTIONS[intent.label], "slots": ", ".join(contract.model_fields)}
    prompt = doubt.prompts.render(FILL, values)
    ask = contract_ask(prompt.messages, tokens_needed(contract), deadline)
    try:
        proposed, _ = await doubt.engine.answer("slots", ask, contract, within_s=doubt.limit_ms / 1000)
    except EngineError:
        return intent
    found, _ = filled(intent.label, proposed, Known(intent.text, now))
    slots = intent.slots.model_copy(update={needed: getattr(found, needed)})
    return intent.model_copy(update={"slots": slots, "slots_prompt": prompt.use})
