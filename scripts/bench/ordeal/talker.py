"""An engine that answers as the question wants it, a process of its own: `python -m scripts.bench.ordeal.talker PORT`.

A word of the question decides: how long the answer is, how slowly it comes, and whether it ever ends. Other questions
get a short answer at the pace of a small model.
"""

import asyncio
import os
import sys
from typing import Final

from infra.engines.scripted import Answer, ScriptedEngine, by_question
from infra.engines.scripted_server import Manners, served
from scripts.bench.ordeal.engine import KEY_VARIABLE

# Of all of these the trained head is certain, so that the intent stage does not ask this engine for its opinion.
SHORT: Final = "how do dogs live"
SLOW: Final = "how do whales live"
STORY: Final = "how do owls live"
STALL: Final = "how do foxes live"
SILENT: Final = "how do bears live"

SLOW_S: Final = 20.0
_SLOW_WORDS: Final = 40  # within the 80 tokens of a reply as shipped
_FIRST_S: Final = 0.1
_GAP_S: Final = 0.02  # 50 words a second
_STORY_GAP_S: Final = 0.05
_STORY_SENTENCES: Final = 40
_NEVER_S: Final = 3_600.0

_SHORT_ANSWER: Final = "Dogs have lived with people for thousands of years. They hear much better than we do."


def answers() -> dict[str, Answer]:
    """What is said to a question with each word."""
    slowly = " ".join(f"{n}," for n in range(_SLOW_WORDS // 2 - 6))  # two sentences, not the same one twice
    whales = f"Whales are large, and they count {slowly} slowly. Then other whales come and count {slowly} again."
    story = " ".join(f"Owl number {number} flew over the dark forest." for number in range(_STORY_SENTENCES))
    return {
        "whales": Answer(whales, first_delay_s=_FIRST_S, gap_s=SLOW_S / len(whales.split())),
        "owls": Answer(story, first_delay_s=_FIRST_S, gap_s=_STORY_GAP_S),
        "foxes": Answer("Foxes are", first_delay_s=_FIRST_S, gap_s=_NEVER_S),
        "bears": Answer(first_delay_s=_NEVER_S),
    }


async def _serve(port: int) -> None:
    engine = ScriptedEngine(by_question(answers(), Answer(_SHORT_ANSWER, first_delay_s=_FIRST_S, gap_s=_GAP_S)))
    async with served(engine, Manners(api_key=os.environ[KEY_VARIABLE]), port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
