"""Watches the bus from a process of its own: `python -m scripts.bench.talking.observer`, until its input ends.

Then prints, as one JSON object, when (time.time) each event passed: submissions by turn, all others by their place in
the stream and with their conversation.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any, Final

import uvloop

from infra.bus.delivery import TYPE, Delivery
from infra.bus.server import BusAddress
from pipeline.process import connected
from schemas import subjects
from schemas.catalogue import BY_NAME, SUBMISSIONS
from schemas.subjects import parse_subject

SUBMITTED: Final = frozenset(fact.token for fact in SUBMISSIONS)


async def watch() -> dict[str, Any]:
    """All that passes from now on."""
    submitted: dict[str, float] = {}
    told: dict[int, tuple[float, str, str]] = {}

    async def passed(subject: str, _: bytes) -> None:
        at_s = time.time()
        address = parse_subject(subject)
        if address.event in SUBMITTED:
            submitted.setdefault(address.turn, at_s)

    async def followed(delivery: Delivery) -> None:
        at_s = time.time()
        address = parse_subject(delivery.subject)
        told[delivery.stream_seq] = (at_s, address.conversation, delivery.headers.get(TYPE, ""))

    address = BusAddress(os.environ["NATS_URL"], os.environ.get("PARLEY_BUS__TOKEN") or None)
    async with connected(address, "bench-observer") as bus:
        await bus.listen(f"{subjects.ROOT}.>", passed)
        async with bus.follow(subjects.EVENT_STREAM, f"{subjects.ROOT}.>", followed, from_now=True):
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    assert all(kind in BY_NAME for _, _, kind in told.values())
    return {"submitted": submitted, "told": told}


if __name__ == "__main__":
    json.dump(uvloop.run(watch()), sys.stdout)
