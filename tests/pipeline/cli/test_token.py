"""`parley token`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from infra.settings import load
from infra.tokens import Authenticator, Role

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


@pytest.fixture
def asking(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls `parley` where the gateway asks for tokens."""
    monkeypatch.setenv("PARLEY_GATEWAY__AUTH", "jwt")
    return cli


def test_a_token_is_all_that_is_printed_and_the_gateway_takes_it(asking: Cli) -> None:
    first, second = asking("token", "--user", "ann"), asking("token", "--user", "bob", "--role", "analytics")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stderr == "made a key: data/gateway.key (whoever can read it can make tokens)\n"
    assert second.stderr == ""
    assert Path("data/gateway.key").stat().st_mode & 0o777 == 0o600
    authenticator = Authenticator(load())
    ann, bob = (authenticator.check(made.stdout.removesuffix("\n")) for made in (first, second))
    assert (ann.user, bob.user) == ("ann", "bob")
    assert ann.roles == {Role.USER}
    assert bob.roles == {Role.USER, Role.ANALYTICS}
    assert ann.expires_at is not None
    assert timedelta(days=29, hours=23) < ann.expires_at - datetime.now(UTC) <= timedelta(days=30)


def test_it_says_when_nobody_will_ask_for_the_token(cli: Cli) -> None:
    result = cli("token", "--user", "ann", "--expires", "90s")

    assert result.exit_code == 0
    assert result.stdout.count(".") == 2
    assert "gateway.auth is none: the gateway asks for no token" in result.stderr


def test_a_configured_key_is_used_and_none_is_made(asking: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_GATEWAY__KEY", "k" * 32)

    result = asking("token", "--user", "ann", "--role", "admin")

    assert not Path("data").exists()
    assert result.stderr == ""
    assert Authenticator(load()).check(result.stdout.strip()).has(Role.ANALYTICS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--user", "ann smith"), "user: 'ann smith' is not allowed; expected 1 to 64 of the characters"),
        (("--user", "ann", "--expires", "soon"), "expires: 'soon' is not allowed; expected a number and a unit"),
        (("--user", "ann", "--expires", "0d"), "expires: '0:00:00' is not allowed; expected more than nothing"),
        (("--user", "ann", "--expires", "999999999d"), "expires: '999999999 days"),
    ],
)
def test_what_cannot_be_is_one_line(asking: Cli, one_line: OneLine, arguments: tuple[str, ...], told: str) -> None:
    asking("token", "--user", "somebody")  # so that there is a key

    result = asking("token", *arguments)

    assert result.exit_code == 2
    assert one_line(result).startswith(told)


def test_a_key_that_cannot_be_used_is_one_line(asking: Cli, one_line: OneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_GATEWAY__KEY_FILE", "missing")

    result = asking("token", "--user", "ann")

    assert result.exit_code == 2
    assert one_line(result).startswith("gateway.key_file: 'missing' is not allowed; expected a file that can be read")


@pytest.mark.parametrize("command", ["up", "gateway"])
def test_nothing_starts_with_a_key_that_cannot_be_used(
    asking: Cli, one_line: OneLine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PARLEY_GATEWAY__KEY_FILE", "no-such-file")

    result = asking(command)

    assert result.exit_code == 2
    assert "gateway.key_file" in one_line(result)
    assert not Path("data", "run").exists()
