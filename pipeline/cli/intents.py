"""`parley classify` and `parley intents …`: the intent stage alone, and the training of its head."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.clock import SystemClock
from infra.settings import checked_zone
from pipeline import engines, wiring
from pipeline.cli import exits
from pipeline.cli.exits import Exit
from pipeline.cli.joining import joined, note
from pipeline.turn_result import intent_as_json
from schemas.errors import InvalidField
from schemas.intake import sayable

app = typer.Typer(help="The trained head that classifies intents: train it, measure it.", rich_markup_mode=None)

DEADLINE_S = 10.0  # for the engine to be asked about one utterance


def classify(
    file: Annotated[str, typer.Argument(help="A text file with one utterance a line, or - for standard input.")],
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help='IANA name for "at three"; default: yours.')
    ] = None,
) -> None:
    """Classify utterances, one a line in, one JSON object a line out. Nothing is acted on.

    Needs no running Parley; when one runs (or an engine is configured), it is asked where the head is in doubt.
    A line that cannot be an utterance gives an object with `error`; the exit status is then 2.
    """
    with exits.told():
        if asyncio.run(_classify(_lines(file), time_zone)):
            raise SystemExit(int(Exit.WRONG_INPUT))


async def _classify(lines: Iterator[str], time_zone: str | None) -> int:
    from datetime import timedelta

    from stages.intent import classify as classified

    settings, clock = joined(), SystemClock()
    zone = checked_zone("--time-zone", time_zone or settings.time_zone)
    roles = engines.roles_of(settings, clock)
    refused = 0
    try:
        given = wiring.intent_given(roles, engines.model_of(settings, "intent"), settings.prompts)
        for line in lines:
            answer: dict[str, Any] = {"text": line}
            try:
                now = clock.now()
                deadline = now + timedelta(seconds=DEADLINE_S)
                found = await classified(sayable(line), now, zone, given, deadline)
                answer["intents"] = [intent_as_json(intent) for intent in found]
            except InvalidField as error:
                if error.field.endswith("time_zone"):  # wrong for every line alike
                    raise InvalidField("--time-zone", time_zone, error.expected) from None
                answer["text"] = line[:200]
                answer["error"] = {"field": error.field, "value": error.value, "expected": error.expected}
                refused += 1
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    finally:
        await roles.aclose()
    return refused


def _lines(file: str) -> Iterator[str]:
    """The utterances; bytes that are no UTF-8 become U+FFFD, which is refused with its place."""
    if file != "-" and not Path(file).is_file():
        raise InvalidField("FILE", file, "a text file that exists, or - for standard input")
    source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115  # read to its end, then left
    with source:
        for raw in source:
            yield raw.decode("utf-8", errors="replace").rstrip("\r\n")


@app.command()
def train() -> None:
    """Train the head anew from stages/intent/examples/*.txt (one utterance a line) and keep it with its hash.

    Running intent workers take it up when they are started again.
    """
    with exits.told():
        from infra.embeddings import MiniLm
        from stages.intent.training import train as trained

        print(trained(MiniLm(), say=note).model_dump_json(indent=2))


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help='JSON lines: {"text": "…", "intents": ["create_note", …]}.')],
) -> None:
    """Measure the intent stage on utterances with known intents: accuracy and the confusion table."""
    with exits.told():
        asyncio.run(_evaluate(file))


async def _evaluate(file: Path) -> None:
    from stages.intent.evaluation import evaluate as evaluated
    from stages.intent.evaluation import read_utterances

    settings = joined()
    roles = engines.roles_of(settings, SystemClock())
    try:
        given = wiring.intent_given(roles, engines.model_of(settings, "intent"), settings.prompts)
        print((await evaluated(read_utterances(file), given)).as_text())
    finally:
        await roles.aclose()
