"""`parley persona …`: what was learned of how somebody likes to be answered, said as an event, and where it stands."""

import asyncio
import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from infra import settings as configuration
from infra.clock import SystemClock
from pipeline import judged_turns, wiring
from pipeline.cli import exits
from pipeline.cli.joining import bus_of
from pipeline.cli.reaching_log import asking
from pipeline.front_end import FrontEnd
from pipeline.log_files import Ask
from pipeline.logging_stage import ask_log
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token, checked_uuid7
from schemas.persona import PersonaGiven, PersonaUpdated

app = typer.Typer(
    help="How somebody likes to be answered: facets from 0 to 1, learned from turns, kept and exported.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
STANDS: Final = """
SELECT facet, arg_max(value, time) AS value, max(time) AS since, count(*) AS updates FROM persona
WHERE tenant = $tenant AND run = $run AND "user" = $user AND value IS NOT NULL GROUP BY facet ORDER BY facet"""
User = Annotated[str | None, typer.Option("--user", "-u", help="Whose; default: `user` in config.yaml.")]
_EXPECTED: Final = "FACET=VALUE, e.g. concise=0.7: a name of letters, digits, _ . : or -, and a number from 0 to 1"


@app.command()
def learn(
    turn: Annotated[str, typer.Argument(help="The turn that it was learned from: `turn_id` of `parley say --json`.")],
    facets: Annotated[
        list[str], typer.Argument(metavar="FACET=VALUE...", help="Where facets stand now, e.g. concise=0.7.")
    ],
    because: Annotated[str | None, typer.Option("--because", help='What showed it, e.g. "too brief".')] = None,
    user: User = None,
) -> None:
    """Say how a user likes to be answered. It is kept and exported; Parley's own replies do not use it.

    Exit status: 2 when the turn is not in the log, or is another user's, or a facet cannot be; 3 when no Parley runs.
    """
    with exits.told():
        checked_uuid7("TURN", turn)
        updated = asyncio.run(_learn(turn, _facets(facets), because, user))
        if configuration.load().training_data:
            print(f"recorded: {_told(updated)}")
        else:
            print("recorded: that something was learned; training_data is off, so neither facets nor why are kept")


@app.command()
def show(
    user: User = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Where the facets of a user stand."""
    with exits.told():
        settings = configuration.load()
        whose = checked_token("--user", user or settings.user)
        stands = asyncio.run(_show(settings.tenant, whose))
        if as_json:
            print(json.dumps({facet: value for facet, value, _, _ in stands}))
            return
        if not stands:
            print(f"nothing was learned of {whose}; `parley persona learn TURN concise=0.7` says something")
            return
        table = Table("facet", "value", "since", "updates")
        for facet, value, since, updates in stands:
            table.add_row(facet, f"{value:g}", since, str(updates))
        Console().print(table)


def _facets(given: list[str]) -> dict[str, float]:
    """Raises InvalidField."""
    found: dict[str, float] = {}
    for each in given:
        facet, equals, text = each.partition("=")
        try:
            value = float(text)
        except ValueError:
            raise InvalidField("FACET=VALUE", each, _EXPECTED) from None
        if not equals or facet in found:
            raise InvalidField("FACET=VALUE", each, "each facet once" if equals else _EXPECTED)
        found[facet] = value
    return found


async def _learn(turn: str, facets: dict[str, float], because: str | None, user: str | None) -> PersonaUpdated:
    settings = configuration.load()
    whose = user or settings.user
    _given(turn, facets, {}, because)
    async with bus_of(settings) as bus:
        found = await judged_turns.find(bus, settings.tenant, LIVE_RUN, turn)
        about = judged_turns.refuse_unless_own("TURN", turn, found, whose)
        table = await ask_log(bus, STANDS, {"tenant": settings.tenant, "run": LIVE_RUN, "user": whose})
        before = {str(facet): float(str(value)) for facet, value, *_ in table.rows if facet in facets}
        front_end = FrontEnd(bus, await wiring.blobs_of(settings, bus), settings, SystemClock())
        return await front_end.give(_given(turn, facets, before, because), about, PersonaUpdated)


def _given(turn: str, facets: dict[str, float], before: dict[str, float], because: str | None) -> PersonaGiven:
    """Raises InvalidField."""
    import pydantic

    try:
        return PersonaGiven(about=turn, facets=facets, before=before, reason=because)
    except pydantic.ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        if first["loc"][:1] == ("reason",):
            raise InvalidField("--because", because, first["msg"]) from None
        if len(first["loc"]) < 2:
            raise InvalidField("FACET=VALUE", f"{len(facets)} facets", first["msg"]) from None
        facet = str(first["loc"][1])
        raise InvalidField("FACET=VALUE", f"{facet}={facets.get(facet)}", _EXPECTED) from None


async def _show(tenant: str, user: str) -> list[tuple[str, float, str, int]]:
    async with asking() as ask:
        return await stands(ask, tenant, user)


async def stands(ask: Ask, tenant: str, user: str) -> list[tuple[str, float, str, int]]:
    """Facet, value, since when, and how often it was updated."""
    table = await ask(STANDS, {"tenant": tenant, "run": LIVE_RUN, "user": user})
    return [(str(facet), float(str(value)), str(since), int(str(n))) for facet, value, since, n in table.rows]


def _told(updated: PersonaUpdated) -> str:
    moved = [
        f"{facet} {updated.before[facet]:g} to {value:g}" if facet in updated.before else f"{facet} {value:g}"
        for facet, value in updated.facets.items()
    ]
    return ", ".join([*moved, *([f"because {updated.reason}"] if updated.reason else [])])
