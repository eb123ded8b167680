"""The engine under load, a process of its own: `python -m scripts.bench.loading.engine PORT`.

It says the same to everybody, without delay unless LOAD_ENGINE_GAP_MS asks for one between words, and remembers
nothing: what grows while it runs shall not be the benchmark's.
"""

import asyncio
import os
import sys
from typing import Final

import uvloop

from infra.engines.port import Ask
from infra.engines.scripted import Answer, Script, ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served
from scripts.bench.ordeal.engine import KEY_VARIABLE

GAP_VARIABLE: Final = "LOAD_ENGINE_GAP_MS"
REPLY: Final = "That is a good question to ask. There is much to be said about it."


async def _serve(port: int, gap_s: float) -> None:
    manners = Manners(api_key=os.environ[KEY_VARIABLE])
    engine = ScriptedEngine(saying(REPLY))
    engine.script = _forgetting(engine, manners, gap_s)
    async with served(engine, manners, port):
        await asyncio.Event().wait()


def _forgetting(engine: ScriptedEngine, manners: Manners, gap_s: float) -> Script:
    def answer(_: Ask) -> Answer:
        for kept in (engine.asked, manners.requests, manners.headers):
            kept.clear()
        return Answer(REPLY, gap_s=gap_s)

    return answer


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(os.environ.get(GAP_VARIABLE, "0")) / 1e3))
