"""The prompts of the intent stage, and what each is given."""

from pathlib import Path
from typing import Final

from infra.prompts import Given, Shelf
from stages.intent.embedded_prompts import EMBEDDED

CHOOSE: Final = "choose"
FILL: Final = "slots"
SHELF: Final = Shelf(
    "intent",
    Path(__file__).parent / "prompts",
    EMBEDDED,
    (
        Given(
            CHOOSE,
            {
                "utterance": "note to buy milk at six",
                "candidates": "create_note: the person wants something written down\n"
                "create_reminder: the person asks to be reminded of something",
            },
        ),
        Given(
            FILL,
            {
                "utterance": "put milk on my list",
                "wish": "wants something written down or put on a list",
                "slots": "content",
            },
        ),
    ),
)
