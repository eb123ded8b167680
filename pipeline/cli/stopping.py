"""`parley stop-turn`: stop a turn that is being answered."""

import asyncio
from typing import Annotated

import typer

from infra import settings as configuration
from infra.clock import SystemClock
from pipeline import wiring
from pipeline.cli import exits
from pipeline.cli.exits import Exit, fail
from pipeline.cli.joining import bus_of
from pipeline.front_end import FrontEnd
from schemas.errors import InvalidField
from schemas.ids import checked_uuid7
from schemas.turns import TurnEnd, TurnInterrupted


def stop_turn(
    turn: Annotated[str, typer.Argument(help="The turn's id.")],
    played: Annotated[
        int | None,
        typer.Option("--played", min=0, help="How many sentences were heard; default: all that were spoken."),
    ] = None,
) -> None:
    """Stop a turn: generation ends, no further sentence is spoken, history keeps what was heard.

    Exit status 1 when it had already ended otherwise.
    """
    with exits.told():
        end = asyncio.run(_stop(checked_uuid7("TURN", turn), played))
        if not isinstance(end, TurnInterrupted):
            fail(f"turn {turn} had already ended: {type(end).__name__}", Exit.TURN_FAILED)
        print(f"stopped; heard of it: {end.spoken or '(nothing)'}")


async def _stop(turn: str, played: int | None) -> TurnEnd:
    settings = configuration.load()
    async with bus_of(settings) as bus:
        front_end = FrontEnd(bus, await wiring.blobs_of(settings, bus), settings, SystemClock())
        meta = await front_end.find(turn)
        if meta is None:
            raise InvalidField("TURN", turn, "a turn that was opened; `parley log tail` shows them as they come")
        return await front_end.stop(meta, "stopped by the user", played)
