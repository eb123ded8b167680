"""`parley replay diff` and `parley replay list`: two runs side by side, and which runs there are."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli import exits
from pipeline.cli.exits import Exit
from pipeline.cli.reaching_log import asking
from pipeline.cli.tables import terminal_table
from pipeline.replay.choosing import CONTROL
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token

if TYPE_CHECKING:
    from infra.event_log.port import Table as LogTable
    from pipeline.replay.diffing import Difference

SHOWN_A_KIND: Final = {"worse": 5, "changed": 2, "better": 2}
SHOWN_CHARS: Final = 160
RUNS: Final = "SELECT * FROM runs ORDER BY started_at DESC"


def diff(
    run: Annotated[str, typer.Argument(help="A run that was replayed; `parley replay list` has their names.")],
    base: Annotated[
        str | None, typer.Argument(help="What it is compared with; else its control, or the run that it repeated.")
    ] = None,
    allow: Annotated[
        int, typer.Option("--allow", min=0, help="Turns that may be worse in anything but their reply.")
    ] = 0,
    replies: Annotated[
        float | None,
        typer.Option(
            "--replies",
            min=0,
            max=1,
            help="The share of replies that may mean something else; 0.2 of live ones, else 0.05.",
        ),
    ] = None,
    similarity: Annotated[
        float | None,
        typer.Option(
            "--similarity", min=0, max=1, help="The mean similarity of replies at least; 0.6 with live ones, else 0.8."
        ),
    ] = None,
    wer: Annotated[float, typer.Option("--wer", min=0, help="The share of words that may be heard otherwise.")] = 0.1,
    slower: Annotated[
        float | None,
        typer.Option("--slower", min=0, help="How many times as long (p95) turns may take; else as long as they like."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every change; else the first of each kind.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Say, turn by turn, what came out differently in a replay, and whether it got worse.

    Exit status 0 when it did not, 1 when it did, so that prompts and models can be tested with it.
    """
    with exits.told():
        from pipeline.replay.diffing import Limits

        limits = Limits(worse=allow, replies=replies, similarity=similarity, wer=wer, slower=slower)
        found = asyncio.run(_diff(checked_token("RUN", run), checked_token("BASE", base) if base else None))
        worse = found.regressions(limits)
        if as_json:
            print(json.dumps(_as_json(found, worse)))
        else:
            _show(found, worse, everything=everything)
        if worse:
            raise SystemExit(int(Exit.TURN_FAILED))


async def _diff(run: str, base: str | None) -> "Difference":
    from infra.embeddings import MiniLm
    from pipeline.replay import choosing
    from pipeline.replay.diffing import difference, repeated_by

    async with asking() as ask:
        if base is None:
            control = CONTROL.format(run)
            base = control if await choosing.is_there(ask, control) else await repeated_by(ask, run) or LIVE_RUN
        for name, given in (("RUN", run), ("BASE", base)):
            if not await choosing.is_there(ask, given):
                raise InvalidField(name, given, "a run that the log has; `parley replay list` names them")
        found = await difference(ask, run, base, MiniLm())
        if not found.turns:
            raise InvalidField("BASE", base, f"a run that has turns in common with {run!r}")
        return found


def _as_json(found: "Difference", worse: list[str]) -> dict[str, object]:
    counts = {f"{kind} {verdict}": count for (kind, verdict), count in sorted(found.counts.items())}
    told: dict[str, object] = {"run": found.run, "base": found.base, "start": found.start, "changed": found.changed}
    told |= {"turns": found.turns, "same": found.same, "missing": found.missing, "counts": counts}
    told |= {"wer": found.wer, "similarity": found.similarity, "worse_replies": found.worse_replies}
    told |= {"latency": [asdict(each) for each in found.latencies], "regressions": worse}
    return told | {"changes": [{"text": turn.text, **asdict(change)} for turn, change in found.changes]}


def _show(found: "Difference", worse: list[str], *, everything: bool) -> None:
    from pipeline.replay.comparing import KINDS

    console = Console()
    console.print(
        f"{found.run} against {found.base}, from {found.start or '?'} on, with {found.changed or 'nothing'} set",
        markup=False,
    )
    table = Table(
        "what",
        "worse",
        "changed",
        "better",
        title=f"{found.turns} turns, {found.same} of them the same",
        title_justify="left",
    )
    for kind in KINDS:
        numbers = [found.counts[kind, verdict] for verdict in ("worse", "changed", "better")]
        if any(numbers):
            table.add_row(kind, *(str(number) for number in numbers))
    if table.rows:
        console.print(table)
    else:
        console.print(f"{found.turns} turns, all the same")
    _show_changes(console, found, everything=everything)
    if found.missing:
        console.print(f"missing    {found.missing} turns that {found.base} does not have", markup=False)
    if found.wer is not None:
        console.print(f"heard      {100 * found.wer:.1f}% of the words otherwise, in {len(found.wers)} spoken turns")
    if found.similarity is not None:
        console.print(
            f"replies    mean similarity {found.similarity:.3f} of {len(found.similarities)} that engines made"
        )
    for each in found.latencies:
        console.print(
            f"time       {each.turns} {each.kind} turns: p50 {each.before_p50_ms:.0f} -> {each.after_p50_ms:.0f} ms, "
            f"p95 {each.before_p95_ms:.0f} -> {each.after_p95_ms:.0f} ms"
        )
    for line in worse:
        console.print(f"REGRESSION {line}", markup=False)
    if not worse and found.worse_replies:
        console.print(
            f"tolerated  {found.worse_replies} of {len(found.similarities)} replies: so many may differ by chance"
        )
    if not worse:
        console.print("no regression")


def _show_changes(console: Console, found: "Difference", *, everything: bool) -> None:
    shown: dict[tuple[str, str], int] = {}
    left = 0
    order = {"worse": 0, "changed": 1, "better": 2}
    for turn, change in sorted(found.changes, key=lambda each: order[each[1].verdict]):
        key = (change.kind, change.verdict)
        shown[key] = shown.get(key, 0) + 1
        if shown[key] > SHOWN_A_KIND[change.verdict] and not everything:
            left += 1
            continue
        why = f" ({change.why})" if change.why else ""
        console.print(Text(f"{change.verdict:<8} {change.kind}{why}  {_cut(turn.text)}  [{change.turn}]"))
        console.print(Text(f"    before  {_cut(change.before)}"))
        console.print(Text(f"    after   {_cut(change.after)}"))
    if left:
        console.print(f"{left} more changes: --all shows them")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"


def runs(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run, one a line.")] = False) -> None:
    """List the runs that the log has besides the live one, the newest first."""
    with exits.told():
        table = asyncio.run(_runs())
        if as_json:
            for row in table.rows:
                print(json.dumps(dict(zip(table.columns, row, strict=True))))
        elif table.rows:
            Console().print(terminal_table(table))
        else:
            print("no run besides the live one; `parley replay --all` makes one")


async def _runs() -> "LogTable":
    async with asking() as ask:
        return await ask(RUNS, {})
