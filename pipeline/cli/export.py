"""`parley export …`: training data from the event log, masked, split, without duplicates, with a card."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra import settings as configuration
from pipeline.cli import exits
from pipeline.cli.joining import note
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token, checked_uuid7

if TYPE_CHECKING:
    from pipeline.export.exporting import Done, Order
    from pipeline.export.reading import Wanted

app = typer.Typer(
    help="Training data from the event log: chat examples, preferences, intents, rankings, feedback.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
HELP = {
    "sft": "Whole exchanges to imitate: {messages}, with {tools} where a skill acted.",
    "dpo": "Pairs of replies, the better first: {prompt, chosen, rejected}.",
    "intent": "Utterances with their labels and slots; corrections override.",
    "ranking": "Candidates with their scores, and which was chosen.",
    "feedback": "What people thought of replies: {prompt, completion, label} and their words.",
    "hypotheses": "Questions asked back about what was meant, and whether the person agreed.",
    "persona": "What was learned of how people like to be answered: facets that moved, and why.",
}

Out = Annotated[Path, typer.Option("--out", "-o", help="A new or empty folder, or an earlier export of the same kind.")]
Since = Annotated[str | None, typer.Option("--since", help=f"Turns from here on. {MOMENT}")]
Conversation = Annotated[str | None, typer.Option("--conversation", "-c", help="Only this conversation.")]
Failed = Annotated[bool, typer.Option("--include-failed", help="Also turns that failed.")]
Interrupted = Annotated[bool, typer.Option("--include-interrupted", help="Also turns that were interrupted.")]
LowConfidence = Annotated[bool, typer.Option("--include-low-confidence", help="Also what was badly heard or guessed.")]
Fallback = Annotated[bool, typer.Option("--include-fallback", help="Also replies of an engine that only stood in.")]
Form = Annotated[str, typer.Option("--format", help="jsonl, parquet or both.")]
Mask = Annotated[bool, typer.Option("--mask/--no-mask", help="Mask personal data.")]
SeedNames = Annotated[
    bool,
    typer.Option("--seed-names", help="Also user_feedback.jsonl, ranking_data.jsonl, … ; on with TRAINING_DATA_DIR."),
]
Run = Annotated[str, typer.Option("--run", help="The run: live, or the name of a replay.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def _command(name: str) -> Callable[..., None]:
    def exported(
        out: Out,
        since: Since = None,
        conversation: Conversation = None,
        run: Run = LIVE_RUN,
        include_failed: Failed = False,
        include_interrupted: Interrupted = False,
        include_low_confidence: LowConfidence = False,
        include_fallback: Fallback = False,
        form: Form = "jsonl",
        mask: Mask = True,
        seed_names: SeedNames = False,
        as_json: AsJson = False,
    ) -> None:
        with exits.told():
            from pipeline.export.catalogue import KINDS, SEED_KINDS
            from pipeline.export.choosing import Choice
            from pipeline.export.exporting import Order
            from pipeline.export.writing import FORMATS

            if form not in FORMATS:
                raise InvalidField("--format", form, f"one of {', '.join(FORMATS)}")
            folder = configuration.load().training_data_dir
            order = Order(
                kind=KINDS[name],
                out=out,
                wanted=_wanted(since, conversation, run),
                choice=Choice(
                    failed=include_failed,
                    interrupted=include_interrupted,
                    low_confidence=include_low_confidence,
                    fallback=include_fallback,
                ),
                format=form,
                mask=mask,
                seed_kinds=SEED_KINDS if seed_names or folder else (),
                seed_folder=folder,
            )
            _tell(order, *asyncio.run(_export(order)), as_json=as_json)

    exported.__doc__ = HELP[name]
    return exported


for _name in HELP:
    app.command(_name)(_command(_name))


@app.command()
def stats(since: Since = None, conversation: Conversation = None, run: Run = LIVE_RUN, as_json: AsJson = False) -> None:
    """How much training data the log holds, by kind and by the seed's names."""
    with exits.told():
        counts = asyncio.run(_stats(_wanted(since, conversation, run)))
        if as_json:
            print(json.dumps(counts))
            return
        table = Table("what", "count")
        table.columns[1].justify = "right"
        for name, count in counts.items():
            table.add_row(name, str(count))
        Console().print(table)


def _wanted(since: str | None, conversation: str | None, run: str) -> "Wanted":
    from infra.event_log.reports import EVER
    from pipeline.export.reading import Wanted

    if conversation is not None:
        checked_uuid7("--conversation", conversation)
    checked_token("--run", run)
    begin = moment("--since", since, configuration.load().time_zone) if since is not None else EVER
    return Wanted(begin, conversation, run)


async def _export(order: "Order") -> "tuple[Done, int]":
    """What was written, and how many turns have another system prompt than they were answered with."""
    from pipeline.export import card, writing
    from pipeline.export.exporting import export
    from pipeline.export.reading import LogReading
    from pipeline.export.system_prompt import SystemPrompts

    writing.check(order.out, order.kind.name)
    prompts = SystemPrompts(configuration.load().prompts)
    async with asking() as ask:
        log = await LogReading.opened(ask)
        await log.refuse_unless_there("--run", order.wanted.run)
        done = await export(order, log, prompts.of)
    told = card.card(order, done, prompts.older)
    writing.write_text(order.out, writing.CARD, card.as_json(told))
    writing.write_text(order.out, writing.README, card.readme(told))
    return done, prompts.older


async def _stats(wanted: "Wanted") -> dict[str, int]:
    from pipeline.export.catalogue import KINDS, SEED_COUNTS
    from pipeline.export.exporting import stats
    from pipeline.export.reading import LogReading

    async with asking() as ask:
        log = await LogReading.opened(ask)
        await log.refuse_unless_there("--run", wanted.run)
        counts = await stats(log, wanted, KINDS)
    return counts | {name: counts.get(kind, 0) for name, kind in SEED_COUNTS.items()}


def _tell(order: "Order", done: "Done", older: int, *, as_json: bool) -> None:
    from pipeline.export.card import card

    if as_json:
        print(json.dumps(card(order, done, older)))
        return
    console = Console()
    total = sum(done.rows.values())
    rows = ", ".join(f"{split} {count}" for split, count in done.rows.items())
    console.print(f"{order.kind.name}: {total} rows ({rows}) of {done.turns} turns, in {order.out}", markup=False)
    table = Table("file", "rows", "bytes", "sha256")
    for place in (1, 2):
        table.columns[place].justify = "right"
    for one in (*done.files, *done.seed_files):
        table.add_row(one.name, str(one.rows), str(one.size_bytes), one.sha256[:12])
    console.print(table)
    written = {one.name for one in done.seed_files}
    console.print(f"left out    {_counted(done.left_out)}", markup=False)
    without = done.without
    found = {"exact": without.exact, "near": without.near, "of these across the splits": without.leaking}
    console.print(f"duplicates  {_counted(found)}", markup=False)
    console.print(f"masked      {_counted(done.masked) if order.mask else 'nothing: switched off'}", markup=False)
    if older:
        console.print(
            f"prompts     {older} turns are told with today's system prompt, not the one they were answered with"
        )
    if order.seed_kinds and (missing := [kind.seed_name for kind in order.seed_kinds if kind.seed_name not in written]):
        note(f"not written, since the log holds nothing for them: {', '.join(map(str, missing))}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing"
