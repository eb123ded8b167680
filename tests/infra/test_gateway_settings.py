"""What the gateway's section of the configuration allows, and above all what it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.gateway_settings import GatewaySettings, is_origin
from infra.settings import Settings, SettingsError, load

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., GatewaySettings]:
    """Loads this section from the environment."""
    monkeypatch.chdir(tmp_path)

    def loaded(**section: str) -> GatewaySettings:
        return load(environment={f"PARLEY_GATEWAY__{key.upper()}": value for key, value in section.items()}).gateway

    return loaded


def test_by_default_it_is_open_to_this_machine_only(loads: Callable[..., GatewaySettings]) -> None:
    settings = loads()

    assert (settings.host, settings.port, settings.auth, settings.on_loopback) == ("127.0.0.1", None, "none", True)
    assert (settings.cors_origins, settings.trusted_proxies) == ((), ())


def test_an_empty_section_is_a_section(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("gateway:\n")

    assert load(tmp_path / "config.yaml", {}) == Settings()


@pytest.mark.parametrize("host", ["localhost", "::1", "127.8.9.1"])
def test_every_name_of_this_machine_needs_no_token(loads: Callable[..., GatewaySettings], host: str) -> None:
    assert loads(host=host).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "parley.example.org"])
def test_whoever_listens_beyond_this_machine_needs_tokens(loads: Callable[..., GatewaySettings], host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loads(host=host)

    assert str(refused.value) == (
        f"gateway.auth: 'none' is not allowed; expected jwt, since host is {host}: "
        "beyond this machine nobody may come in without a token"
    )
    assert not loads(host=host, auth="jwt").on_loopback


def test_a_proxy_that_lets_others_in_needs_tokens_too(loads: Callable[..., GatewaySettings]) -> None:
    with pytest.raises(SettingsError, match=r"^gateway\.auth: 'none' is not allowed; expected jwt, since trusted_prox"):
        loads(trusted_proxies='["127.0.0.1"]')

    assert loads(auth="jwt", trusted_proxies='["127.0.0.1", "10.0.0.0/8"]').trusted_proxies == (
        "127.0.0.1",
        "10.0.0.0/8",
    )


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"key": KEY[:31]}, "gateway.key: (hidden) is not allowed; expected at least 32 bytes"),
        ({"key": KEY, "key_file": "k"}, "expected only one of key, key_file and jwks_file; key is set too"),
        ({"jwks_file": "k", "audience": "a"}, "gateway.issuer: None is not allowed; expected what its tokens say"),
        ({"jwks_file": "k", "issuer": "a"}, "gateway.audience: None is not allowed; expected what its tokens say"),
        ({"cors_origins": '["*"]'}, "gateway.cors_origins: ['*'] is not allowed; expected an origin"),
        ({"cors_origins": '["https://a.org/"]'}, "gateway.cors_origins: ['https://a.org/'] is not allowed"),
        ({"trusted_proxies": '["proxy"]', "auth": "jwt"}, "gateway.trusted_proxies: ['proxy'] is not allowed"),
        ({"host": "http://127.0.0.1"}, "gateway.host: 'http://127.0.0.1' is not allowed"),
        ({"host": "a b"}, "gateway.host: 'a b' is not allowed"),
        ({"roles_claim": "a b"}, "gateway.roles_claim: 'a b' is not allowed"),
        ({"auth": "basic"}, "gateway.auth: 'basic' is not allowed; expected 'none' or 'jwt'"),
        ({"port": "70000"}, "gateway.port: '70000' is not allowed"),
        ({"sockets_max": "0"}, "gateway.sockets_max: '0' is not allowed"),
        ({"secret": "x"}, "gateway.secret: there is no such key; expected one of address_requests_per_minute"),
    ],
)
def test_what_cannot_be_is_refused_with_one_line(
    loads: Callable[..., GatewaySettings], section: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        loads(**section)

    assert told in str(refused.value)
    assert KEY[:31] not in str(refused.value)


def test_limits_of_requests_can_be_taken_away(loads: Callable[..., GatewaySettings]) -> None:
    assert loads(requests_per_minute="").requests_per_minute is None


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://localhost:3000", "http://[::1]:8080"])
def test_an_origin_is_scheme_host_and_port(origin: str) -> None:
    assert is_origin(origin)


@pytest.mark.parametrize(
    "origin", ["null", "", "https://", "ftp://a", "https://a:x", "https://A.org", "https://u@a", "https://a?b", "a.org"]
)
def test_anything_else_is_no_origin(origin: str) -> None:
    assert not is_origin(origin)
