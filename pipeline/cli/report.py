"""`parley report`: how it went, on the terminal, as JSON, or as a page."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra import settings as configuration
from infra.private_files import write_private
from infra.settings import Settings
from pipeline.cli import exits
from pipeline.cli.joining import note
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking
from pipeline.cli.report_tables import show
from pipeline.report import programs
from pipeline.report.asking import Scope, Told, told
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token


def report(
    since: Annotated[str | None, typer.Option("--since", help=f"From here on. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    run: Annotated[str, typer.Option("--run", help="Another run than the live one.")] = LIVE_RUN,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML page, with charts, that needs nothing else.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON: all figures, for programs.")] = False,
) -> None:
    """How it went: turns, latency, intents, fallbacks, errors, tokens and their cost, feedback, the slowest turns.

    While Parley runs and when it does not. The page holds what people said in the slowest turns, so only its owner may
    read it.
    """
    with exits.told():
        settings = configuration.load()
        scope = Scope(
            zone=settings.time_zone,
            run=checked_token("--run", run),
            since=moment("--since", since, settings.time_zone) if since is not None else None,
            until=moment("--until", until, settings.time_zone) if until is not None else None,
        )
        if scope.since and scope.until and scope.until <= scope.since:
            raise InvalidField("--until", until, f"a time after --since ({since})")
        if html is not None and (html.is_dir() or not html.parent.is_dir()):
            raise InvalidField("--html", str(html), "a file in a folder that exists")
        answers = asyncio.run(_asked(settings, scope))
        if as_json:
            print(json.dumps(programs.tree(answers), ensure_ascii=False))
        if html is not None:
            _write(html, answers)
        elif not as_json:
            show(Console(), answers)


async def _asked(settings: Settings, scope: Scope) -> Told:
    async with asking(settings) as ask:
        return await told(ask, scope, settings.prices, settings.currency)


def _write(html: Path, answers: Told) -> None:
    from pipeline.report.page import page  # the charts' library is not wanted for anything else

    beside = html.with_name(f".{html.name}.part")
    try:
        write_private(beside, page(answers))
        beside.replace(html)
    except OSError as error:
        raise InvalidField("--html", str(html), f"a file that can be written ({error.strerror})") from None
    finally:
        beside.unlink(missing_ok=True)
    note(f"the report is in {html}")
