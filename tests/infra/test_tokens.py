"""Tokens: real ones, made with real keys, and every way in which one is not good enough."""

import base64
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from infra import token_keys
from infra.settings import Settings, SettingsError
from infra.tokens import Authenticator, Identity, Role, TokenRefused, make_token
from schemas.errors import InvalidField
from schemas.ids import UserId

KEY = "a key of at least thirty-two bytes, and some more"
OTHER = "another key of at least thirty-two bytes, and more"
HOUR = timedelta(hours=1)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def settings_of(tmp_path: Path, **gateway: Any) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "user": "me", "gateway": {"auth": "jwt", **gateway}})


def claims(**changed: Any) -> dict[str, Any]:
    """Good ones; None takes one away."""
    found = {"sub": "ann", "exp": time.time() + 600, **changed}
    return {name: value for name, value in found.items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "HS256", kid: str | None = None, **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def own(tmp_path: Path) -> Authenticator:
    """With a key of its own."""
    return Authenticator(settings_of(tmp_path, key=KEY))


def refusal(authenticator: Authenticator, token: str | None) -> str:
    """Why a token is refused; nothing of it is in the reason, nor in what caused it."""
    with pytest.raises(TokenRefused) as caught:
        authenticator.check(token)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for part in (token or "").split("."):
        assert len(part) < 5 or part not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


# Who it is


def test_a_token_tells_who_it_is_until_when_and_in_which_roles(own: Authenticator) -> None:
    identity = own.check(signed(exp=4_000_000_000, roles=["analytics", "user", "of another program"]))

    assert identity.user == "ann"
    assert identity.roles == {Role.USER, Role.ANALYTICS}
    assert identity.expires_at == datetime.fromtimestamp(4_000_000_000, UTC)


@pytest.mark.parametrize(
    ("told", "roles"),
    [
        ({}, {Role.USER}),
        ({"roles": []}, set()),
        ({"roles": "user admin"}, {Role.USER, Role.ADMIN}),
        ({"roles": ["root", 7, None]}, set()),
    ],
)
def test_a_token_that_says_nothing_of_roles_has_a_users(own: Authenticator, told: Any, roles: set[Role]) -> None:
    assert own.check(signed(**told)).roles == roles


def test_roles_may_lie_deeper(tmp_path: Path) -> None:
    deep = Authenticator(settings_of(tmp_path, key=KEY, roles_claim="realm_access.roles"))

    assert deep.check(signed(realm_access={"roles": ["admin"]})).roles == {Role.ADMIN}
    assert deep.check(signed(realm_access="admin")).roles == {Role.USER}
    assert "ClaimWrong: realm_access.roles" in refusal(deep, signed(realm_access={"roles": {"admin": True}}))


def test_an_admin_has_every_role_and_nobody_else_has_one_that_was_not_given(own: Authenticator) -> None:
    admin, analyst = own.check(signed(roles=["admin"])), own.check(signed(roles=["analytics"]))

    assert all(admin.has(role) for role in Role)
    assert [role for role in Role if analyst.has(role)] == [Role.ANALYTICS]


def test_without_tokens_it_is_the_configured_user_who_may_do_all(tmp_path: Path) -> None:
    none = Authenticator(Settings.model_validate({"data_dir": tmp_path, "user": "eve"}))

    assert not none.asks
    assert none.check("whatever") == none.check(None) == Identity(UserId("eve"), frozenset(Role))


# Refusals


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (None, "TokenMissing: a token is needed"),
        ("", "TokenMissing"),
        ("rubbish", "TokenUnreadable: the token is not readable"),
        ("a.b.c", "TokenUnreadable"),
        ("\x00.é.\ud800", "TokenUnreadable"),
        ("x" * 10_000, "TokenUnreadable"),
        (lambda: signed(OTHER), "TokenForged: the token's signature does not fit"),
        (
            lambda: ".".join([*signed(exp=2e9).split(".")[:2], signed(sub="eve").split(".")[2]]),
            "TokenForged: the token's signature does not fit",
        ),
        (lambda: signed(KEY + OTHER, "HS512"), "TokenForged: alg"),
        (lambda: signed(RSA, "RS256"), "TokenForged: alg"),
        (lambda: signed(None, "none"), "TokenForged: alg"),
        (lambda: signed(exp=time.time() - 60), "TokenExpired: exp"),
        (lambda: signed(exp=None), "ClaimWrong: exp"),
        (lambda: signed(exp="tomorrow"), "TokenUnreadable"),
        (lambda: signed(exp=float("inf")), "TokenUnreadable"),
        (lambda: signed(exp=float("nan")), "TokenUnreadable"),
        (lambda: signed(nbf=time.time() + 600), "TokenNotYetValid"),
        (lambda: signed(iat=time.time() + 600), "TokenNotYetValid"),
        (lambda: signed(sub=None), "ClaimWrong: sub"),
        (lambda: signed(sub=""), "ClaimWrong: sub"),
        (lambda: signed(sub=7), "ClaimWrong: sub"),
        (lambda: signed(sub="parley.>"), "ClaimWrong: sub"),
        (lambda: signed(sub="unknown"), "ClaimWrong: sub"),  # stands for whoever sent what cannot be read
        (lambda: signed(sub="ann smith"), "ClaimWrong: sub"),
        (lambda: signed(aud="somebody"), "ClaimWrong: aud"),
        (lambda: signed(roles=7), "ClaimWrong: roles"),
    ],
)
def test_what_is_wrong_is_named_and_the_token_never_shown(
    own: Authenticator, token: str | Callable[[], str] | None, told: str
) -> None:
    assert refusal(own, token() if callable(token) else token).startswith(told)


def test_the_clocks_of_two_machines_may_differ_a_little(own: Authenticator) -> None:
    assert own.check(signed(exp=time.time() - 5, nbf=time.time() + 5)).user == "ann"


def test_an_end_beyond_all_calendars_is_an_end(own: Authenticator) -> None:
    assert own.check(signed(exp=10**17)).expires_at == datetime.max.replace(tzinfo=UTC)


def test_maker_and_audience_count_when_they_are_configured(tmp_path: Path) -> None:
    strict = Authenticator(settings_of(tmp_path, key=KEY, issuer="https://login", audience="parley"))

    assert strict.check(signed(iss="https://login", aud=["others", "parley"])).user == "ann"
    assert "ClaimWrong: aud" in refusal(strict, signed(iss="https://login", aud="others"))
    assert "ClaimWrong: aud" in refusal(strict, signed(iss="https://login"))
    assert "ClaimWrong: iss" in refusal(strict, signed(iss="https://evil", aud="parley"))
    assert "ClaimWrong: iss" in refusal(strict, signed(aud="parley"))


# Public keys


def member(private: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """A public key as a key set has it."""
    to_jwk: dict[type, Any] = {
        rsa.RSAPrivateKey: RSAAlgorithm.to_jwk,
        ec.EllipticCurvePrivateKey: ECAlgorithm.to_jwk,
        ed25519.Ed25519PrivateKey: OKPAlgorithm.to_jwk,
    }
    found = next(made for kind, made in to_jwk.items() if isinstance(private, kind))(private.public_key(), as_dict=True)
    return {**found, **({"kid": kid} if kid else {}), **more}


def key_set(*members: Any) -> str:
    return json.dumps({"keys": members})


@pytest.fixture
def public(tmp_path: Path) -> Callable[[str], Authenticator]:
    """With this key set."""

    def make(text: str) -> Authenticator:
        (tmp_path / "keys.json").write_text(text)
        return Authenticator(
            settings_of(tmp_path, jwks_file=tmp_path / "keys.json", issuer="https://login", audience="parley")
        )

    return make


def foreign(key: Any, algorithm: str, kid: str | None = None, **changed: Any) -> str:
    return signed(key, algorithm, kid, **{"iss": "https://login", "aud": "parley", **changed})


def test_each_kind_of_public_key_is_found_by_its_name(public: Callable[[str], Authenticator]) -> None:
    known = public(key_set(member(RSA, "r"), member(EC, "e"), member(ED, "d"), {"kty": "unknown"}, "no key"))

    assert known.check(foreign(RSA, "RS256", "r")).user == "ann"
    assert known.check(foreign(EC, "ES256", "e")).user == "ann"
    assert known.check(foreign(ED, "EdDSA", "d")).user == "ann"
    assert "TokenForged: kid" in refusal(known, foreign(RSA, "RS256", "x"))
    assert "TokenForged: kid" in refusal(known, foreign(RSA, "RS256"))
    assert "TokenForged: alg" in refusal(known, foreign(EC, "ES256", "r"))
    assert "TokenForged: alg" in refusal(known, foreign(RSA, "RS512", "r"))
    assert "ClaimWrong: aud" in refusal(known, foreign(RSA, "RS256", "r", aud=None))


def test_a_single_key_needs_no_name(public: Callable[[str], Authenticator]) -> None:
    assert public(key_set(member(ED, None))).check(foreign(ED, "EdDSA")).user == "ann"
    assert public(key_set(member(ED, "d"))).check(foreign(ED, "EdDSA")).user == "ann"


def test_a_public_key_is_no_secret_to_sign_with(public: Callable[[str], Authenticator]) -> None:
    known = public(key_set(member(RSA, "r")))
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header, body = ({"alg": "HS256", "typ": "JWT", "kid": "r"}, claims(iss="https://login", aud="parley"))
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body)]
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(b".".join(parts), pem)
    forged = b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()

    assert "TokenForged: alg" in refusal(known, forged)
    assert "TokenForged: alg" in refusal(known, foreign(None, "none", "r"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a JSON Web Key Set"),
        ("[]", "a JSON Web Key Set"),
        ('{"keys": 7}', "a JSON Web Key Set"),
        ('{"keys": []}', "a key of RS256"),
        (key_set(member(SMALL_RSA, "small")), "a key of RS256 (of at least 2048 bits)"),
        (key_set(member(RSA, "r", use="enc")), "a key of RS256"),
        (key_set(member(RSA, "r", alg="RS512")), "a key of RS256"),
        (key_set({**member(RSA, "r"), "n": "!"}), "a key of RS256"),
        (key_set({"kty": "oct", "k": "c2VjcmV0"}), "public keys only"),
        (key_set(RSAAlgorithm.to_jwk(RSA, as_dict=True)), "public keys only"),
        (key_set(member(RSA, "same"), member(EC, "same")), "a kid of its own for each key"),
        (key_set(member(RSA, "r"), member(EC, None)), "a kid of its own for each key"),
    ],
)
def test_a_key_set_that_cannot_be_used_stops_the_start(
    public: Callable[[str], Authenticator], text: str, told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        public(text)

    assert str(refused.value).startswith("gateway.jwks_file: ")
    assert told in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_a_key_set_is_read_again_when_it_changes(
    public: Callable[[str], Authenticator], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = public(key_set(member(RSA, "r")))
    assert "kid" in refusal(known, foreign(EC, "ES256", "e"))

    (tmp_path / "keys.json").write_text(key_set(member(EC, "e")))
    assert known.check(foreign(EC, "ES256", "e")).user == "ann"
    assert "kid" in refusal(known, foreign(RSA, "RS256", "r"))

    with caplog.at_level(logging.WARNING):
        (tmp_path / "keys.json").write_text("half of a key s")
        assert [known.check(foreign(EC, "ES256", "e")).user for _ in range(3)] == ["ann"] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"gateway.jwks_file: {tmp_path / 'keys.json'} has become unusable, what it said before counts: expected "
        'a JSON Web Key Set, such as {"keys": [{"kty": "RSA", "kid": …}]}'
    ]

    (tmp_path / "keys.json").unlink()
    assert known.check(foreign(EC, "ES256", "e")).user == "ann"
    (tmp_path / "keys.json").write_text(key_set(member(RSA, "r")))
    assert known.check(foreign(RSA, "RS256", "r")).user == "ann"


# Keys of its own, and tokens made with them


def made(settings: Settings, user: str = "ann", *roles: Role, lifetime: timedelta = HOUR) -> str:
    return make_token(settings, user, roles or (Role.USER,), lifetime, datetime.now(UTC))


@pytest.mark.parametrize("claim", ["roles", "realm_access.roles"])
def test_a_token_that_is_made_is_taken(tmp_path: Path, claim: str) -> None:
    settings = settings_of(tmp_path, key=KEY, issuer="parley", audience="parley", roles_claim=claim)

    identity = Authenticator(settings).check(made(settings, "bob", Role.USER, Role.ANALYTICS))

    assert identity.user == "bob"
    assert identity.roles == {Role.USER, Role.ANALYTICS}
    assert identity.expires_at is not None
    assert HOUR - timedelta(minutes=1) < identity.expires_at - datetime.now(UTC) <= HOUR


def test_the_key_that_is_made_is_private_made_once_and_found(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    with pytest.raises(SettingsError, match=r"gateway\.auth: 'jwt' is not allowed; expected a key: `parley token"):
        Authenticator(settings)
    assert not token_keys.has_own_key(settings)

    file = token_keys.make_key_file(settings)
    key = file.read_text()
    assert token_keys.make_key_file(settings) == file

    assert file.read_text() == key
    assert file == tmp_path / "data" / "gateway.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert token_keys.has_own_key(settings)
    assert Authenticator(settings).check(made(settings)).user == "ann"


def test_a_key_file_that_is_replaced_takes_all_tokens_back(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = settings_of(tmp_path, key_file=tmp_path / "key")
    authenticator = Authenticator(settings)
    token = made(settings)
    assert authenticator.check(token).user == "ann"

    (tmp_path / "key").write_text(f"{OTHER}\n")

    assert "TokenForged" in refusal(authenticator, token)
    assert authenticator.check(made(settings)).user == "ann"


@pytest.mark.parametrize("text", [None, "", KEY[:31], b"\xff" * 40])
def test_a_key_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str | bytes | None) -> None:
    if text is not None:
        (tmp_path / "key").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(SettingsError, match=r"^gateway\.key_file: '.*' is not allowed; expected a (file|key) ") as told:
        Authenticator(settings_of(tmp_path, key_file=tmp_path / "key"))
    assert KEY[:31] not in str(told.value)


def test_what_no_token_can_be_made_of_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, key=KEY)
    for lifetime in (timedelta(0), timedelta(seconds=-1), timedelta(days=4_000)):
        with pytest.raises(InvalidField, match=r"^expires: "):
            made(settings, lifetime=lifetime)
    with pytest.raises(InvalidField, match=r"^user: "):
        made(settings, "ann smith")
    (tmp_path / "keys.json").write_text(key_set(member(RSA, "r")))
    foreign_keys = settings_of(tmp_path, jwks_file=tmp_path / "keys.json", issuer="i", audience="a")
    with pytest.raises(SettingsError, match=r"^gateway\.jwks_file: .* made by whoever holds the private keys"):
        made(foreign_keys)
