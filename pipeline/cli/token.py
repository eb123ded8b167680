"""`parley token`: what somebody shows to the gateway to be let in."""

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

from infra import settings as configuration
from infra.clock import SystemClock
from infra.settings import Settings
from infra.token_keys import has_own_key, make_key_file
from infra.tokens import Role, make_token
from pipeline.cli import exits
from pipeline.cli.joining import note
from schemas.errors import InvalidField

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def token(
    user: Annotated[str, typer.Option("--user", help="Who is let in by it.")],
    role: Annotated[
        list[Role] | None,
        typer.Option("--role", help="What they may do beside using Parley for themselves; may be given again."),
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="For how long: a number and s, m, h or d.")] = "30d",
) -> None:
    """Make a token for the gateway. Nothing else is printed: TOKEN=$(parley token --user ann).

    Without a configured key one is made in the data folder, where the gateway finds it too.
    """
    with exits.told():
        settings = configuration.load()
        lifetime = lasting("expires", expires)
        with_key(settings)
        if settings.gateway.auth == "none":
            note("gateway.auth is none: the gateway asks for no token; with jwt it does")
        print(make_token(settings, user, {Role.USER, *(role or ())}, lifetime, SystemClock().now()))


def lasting(option: str, text: str) -> timedelta:
    """A length of time such as 30d. Raises InvalidField."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if found is None:
        raise InvalidField(option, text, "a number and a unit, such as 30d, 12h, 15m or 90s")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def with_key(settings: Settings) -> None:
    """Make a key when none is configured and none was made before. Raises SettingsError."""
    if not has_own_key(settings):
        note(f"made a key: {make_key_file(settings)} (whoever can read it can make tokens)")
