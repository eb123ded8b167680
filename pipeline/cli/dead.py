"""`parley dead …`: messages that were given up, kept whole until somebody looks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra import settings as configuration
from infra.bus.connection import Bus
from infra.clock import SystemClock
from pipeline import dead_desk
from pipeline.cli import exits
from pipeline.cli.joining import bus_of
from pipeline.dead_desk import DeadLetter
from schemas.errors import InvalidField

app = typer.Typer(help="Messages that could not be processed.", no_args_is_help=True, rich_markup_mode=None)

OfStage = Annotated[str | None, typer.Option("--stage", help="Only those that this stage gave up on.")]
OfError = Annotated[str | None, typer.Option("--error", help="Only those whose error says this.")]
Number = Annotated[int | None, typer.Argument(min=1, help="Its number in the list.")]


@asynccontextmanager
async def _bus() -> AsyncIterator[Bus]:
    async with bus_of(configuration.load()) as bus:
        yield bus


async def _chosen(bus: Bus, number: int | None, stage: str | None, error: str | None) -> list[DeadLetter]:
    if (number is None) is not (bool(stage) or bool(error)):
        raise InvalidField("NUMBER", number, "either a number, or --stage or --error with what the letters have")
    if number is not None:
        return [await dead_desk.letter(bus, number)]
    return await dead_desk.letters(bus, stage=stage, error=error)


@app.command("list")
def listed(
    stage: OfStage = None, error: OfError = None, as_json: Annotated[bool, typer.Option("--json")] = False
) -> None:
    """The dead letters, oldest first."""

    async def found() -> list[DeadLetter]:
        async with _bus() as bus:
            return await dead_desk.letters(bus, stage=stage, error=error)

    with exits.told():
        letters = asyncio.run(found())
        if as_json:
            for each in letters:
                print(json.dumps(_as_json(each)))
            return
        table = Table("number", "stage", "tries", "turn", "error")
        for each in letters:
            table.add_row(
                str(each.number), each.stage, str(each.tries), each.turn or "", Text(f"{each.error}: {each.message}")
            )
        Console().print(table if letters else "no dead letters")


@app.command()
def show(number: Annotated[int, typer.Argument(min=1, help="Its number in the list.")]) -> None:
    """One dead letter whole: its error, stack, and the message as it came."""

    async def found() -> DeadLetter:
        async with _bus() as bus:
            return await dead_desk.letter(bus, number)

    with exits.told():
        each = asyncio.run(found())
        message = each.payload.decode(errors="backslashreplace")
        print(f"number   {each.number}\nstage    {each.stage}\ntries    {each.tries}\nsubject  {each.subject}")
        print(f"error    {each.error}: {each.message}\n\n{each.stack.rstrip()}\n\n{message}")


@app.command()
def retry(number: Number = None, stage: OfStage = None, error: OfError = None) -> None:
    """Send the turns of dead letters again, as new turns of their conversations.

    A turn is sent once and all letters of it are dropped. One in which something was done or looked up is not sent, nor
    one that was never opened: say it again by hand. Exit 2 when a letter was left.
    """

    async def retried() -> tuple[int, int]:
        async with _bus() as bus:
            chosen = await _chosen(bus, number, stage, error)
            if number is not None:
                print(f"{number}: sent again as turn {await dead_desk.retry(bus, SystemClock(), chosen[0])}")
                return 1, 0
            return len(chosen), await retry_all(bus, chosen)

    with exits.told():
        found, left = asyncio.run(retried())
        if not found:
            print("no dead letters")
        if left:
            exits.fail(f"{left} of {found} dead letters were left as they are", exits.Exit.WRONG_INPUT)


async def retry_all(bus: Bus, chosen: list[DeadLetter]) -> int:
    """Each turn once, whatever becomes of the others; how many letters were left."""
    sent: dict[str, str] = {}
    left = 0
    for each in chosen:
        if each.turn in sent:
            print(f"{each.number}: its turn was sent again as turn {sent[each.turn]}")
            continue
        try:
            again = await dead_desk.retry(bus, SystemClock(), each)
        except InvalidField as refused:
            left += 1
            print(f"{each.number}: left; expected {refused.expected}")
            continue
        print(f"{each.number}: sent again as turn {again}")
        sent[each.turn or ""] = again
    return left


@app.command()
def drop(number: Number = None, stage: OfStage = None, error: OfError = None) -> None:
    """Forget dead letters for good: one by its number, or all of a stage or an error."""

    async def dropped() -> int:
        async with _bus() as bus:
            chosen = await _chosen(bus, number, stage, error)
            await dead_desk.drop(bus, chosen)
            return len(chosen)

    with exits.told():
        print(f"dropped {asyncio.run(dropped())}")


def _as_json(each: DeadLetter) -> dict[str, Any]:
    return {
        "number": each.number,
        "stage": each.stage,
        "error": each.error,
        "message": each.message,
        "tries": each.tries,
        "turn": each.turn,
        "subject": each.subject,
    }
