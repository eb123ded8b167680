"""The prompts of the chat generator, and what each is given."""

from pathlib import Path
from typing import Final

from infra.prompts import Given, Shelf
from stages.chat.embedded_prompts import EMBEDDED

REPLY: Final = "reply"
RANK: Final = "rank"
SHELF: Final = Shelf(
    "chat",
    Path(__file__).parent / "prompts",
    EMBEDDED,
    (
        Given(REPLY, {"talk": "Why is the sky blue?"}, history=True),
        Given(RANK, {"asked": "Why is the sky blue?", "replies": "reply_0: Its air scatters light.\nreply_1: Yes."}),
    ),
)
