"""The engine of the ordeal, a process of its own: `python -m scripts.bench.ordeal.engine PORT`.

Each answer is another one, also to the same question, as a sampled model's are: a reply that is spliced from two shows.
"""

import asyncio
import itertools
import os
import random
import sys

from infra.engines.port import Ask
from infra.engines.scripted import Answer, Script, ScriptedEngine
from infra.engines.scripted_server import Manners, served

KEY_VARIABLE = "ORDEAL_ENGINE_KEY"
FIRST_DELAY_S = 0.1
GAP_S = 0.05  # between words
_COLOURS = ("red", "green", "blue", "grey", "white", "black", "brown")
_ANIMALS = ("fox", "owl", "bear", "hare", "crow", "seal", "wolf")
_PLACES = ("river", "forest", "harbour", "garden", "meadow", "market")


def never_the_same() -> Script:
    """Two to four sentences, new ones each time."""
    rng = random.Random()
    numbers = itertools.count(rng.randrange(10_000))

    def answer(_: Ask) -> Answer:
        number = next(numbers)
        told = [
            f"The {rng.choice(_COLOURS)} {rng.choice(_ANIMALS)} of story {number} walked to the {rng.choice(_PLACES)}."
            for _ in range(rng.randint(2, 4))
        ]
        return Answer(" ".join(told), first_delay_s=FIRST_DELAY_S, gap_s=GAP_S)

    return answer


async def _serve(port: int) -> None:
    manners = Manners(api_key=os.environ[KEY_VARIABLE])
    async with served(ScriptedEngine(never_the_same()), manners, port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
