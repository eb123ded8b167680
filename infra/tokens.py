"""Says who somebody is by a JSON Web Token, and makes such tokens.

Only this file and infra/token_keys.py know the library for them. A token counts when its signature fits a key of the
configuration and its claims hold: `exp` and `sub` always, `aud` and `iss` as configured. The algorithm follows from the
key alone, never from the token. What a token may do is decided in pipeline/gateway. There is no way to take a token
back before it expires, but to change the key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import jwt
from jwt.exceptions import InvalidSubjectError

from infra.settings import Settings, SettingsError
from infra.token_keys import SYMMETRIC, Key, Keyring, Keys
from schemas.errors import InvalidField
from schemas.ids import NOBODY, UserId, checked_token

LEEWAY: Final = timedelta(seconds=30)  # between the clocks of who made a token and who reads it
TOKEN_MAX_CHARS: Final = 8_192
LIFETIME_MAX: Final = timedelta(days=3_650)


class Role(StrEnum):
    """What somebody may do beyond being known."""

    USER = "user"  # talk, and read and delete what is one's own
    ANALYTICS = "analytics"  # read what is everybody's: figures, report, turns; delete nothing of others
    ADMIN = "admin"  # all of it


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, until when."""

    user: UserId
    roles: frozenset[Role]
    expires_at: datetime | None = None  # None: never, without tokens

    def has(self, role: Role) -> bool:
        """Whether this role, or a higher one, was given."""
        return role in self.roles or Role.ADMIN in self.roles


class TokenRefused(Exception):
    """A token, or the lack of one, opens nothing. The message says why, and never contains any of the token."""


class TokenMissing(TokenRefused):
    """None came."""

    def __init__(self) -> None:
        super().__init__("a token is needed: Authorization: Bearer TOKEN; `parley token --user NAME` makes one")


class TokenUnreadable(TokenRefused):
    """It is no JSON Web Token."""

    def __init__(self) -> None:
        super().__init__(
            f"the token is not readable; expected a JSON Web Token of at most {TOKEN_MAX_CHARS} characters"
        )


class TokenForged(TokenRefused):
    """Its signature, its algorithm or the key that it names is not one of the configuration."""


class TokenExpired(TokenRefused):
    """It was good once."""

    def __init__(self) -> None:
        super().__init__("exp: the token has expired; get a new one")


class TokenNotYetValid(TokenRefused):
    """It was made for later, or the clocks differ."""

    def __init__(self) -> None:
        super().__init__("nbf or iat: the token is not valid yet; do the clocks agree?")


class ClaimWrong(TokenRefused):
    """A claim is missing, or not what is expected."""

    def __init__(self, claim: str, expected: str) -> None:
        self.claim = claim
        super().__init__(f"{claim}: the token's claim is not what is expected: {expected}")


class Authenticator:
    """Checks tokens against the configured keys; their file is read again when it changes."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when tokens are asked for and there is no usable key."""
        self._settings = settings.gateway
        self._user = UserId(settings.user)
        self._keyring = Keyring(settings) if settings.gateway.auth == "jwt" else None

    @property
    def asks(self) -> bool:
        """Whether a token is needed at all."""
        return self._keyring is not None

    def check(self, token: str | None) -> Identity:
        """Who sent this token. Without `auth` it is the configured user, who may do all. Raises TokenRefused."""
        if self._keyring is None:
            return Identity(self._user, frozenset(Role))
        if not token:
            raise TokenMissing
        claims = self._verified(token, self._keyring.keys())
        try:
            user = _somebody("sub", claims["sub"])
        except InvalidField as wrong:
            raise ClaimWrong("sub", f"a user of {wrong.expected}") from None
        return Identity(user, self._roles(claims), _moment(claims["exp"]))

    def _verified(self, token: str, keys: Keys) -> dict[str, Any]:
        if len(token) > TOKEN_MAX_CHARS:
            raise TokenUnreadable
        settings = self._settings
        claims = ("exp", "sub", *(("iss",) if settings.issuer else ()), *(("aud",) if settings.audience else ()))
        try:
            key = _key_for(jwt.get_unverified_header(token), keys)
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=settings.issuer,
                audience=settings.audience,
                leeway=LEEWAY,
                options={"require": list(claims), "verify_iss": settings.issuer is not None},
            )
        except jwt.PyJWTError as refused:
            raise self._told(refused) from None
        except (ValueError, OverflowError, TypeError, RecursionError):  # of claims that no honest maker writes
            raise TokenUnreadable from None

    def _told(self, refused: jwt.PyJWTError) -> TokenRefused:
        match refused:
            case jwt.ExpiredSignatureError():
                return TokenExpired()
            case jwt.ImmatureSignatureError():
                return TokenNotYetValid()
            case jwt.InvalidSignatureError():
                return TokenForged("the token's signature does not fit the key; was it made for another Parley?")
            case jwt.InvalidAlgorithmError():
                return TokenForged("alg: the token's algorithm is not the one of the key")
            case jwt.MissingRequiredClaimError():
                return ClaimWrong(refused.claim, "to be there")
            case jwt.InvalidAudienceError():
                return ClaimWrong(
                    "aud", "gateway.audience" if self._settings.audience else "none, as none is configured"
                )
            case jwt.InvalidIssuerError():
                return ClaimWrong("iss", "gateway.issuer")
            case InvalidSubjectError():
                return ClaimWrong("sub", "the name of a user")
            case _:
                return TokenUnreadable()

    def _roles(self, claims: dict[str, Any]) -> frozenset[Role]:
        """Those of Parley that the token tells of; that of a user when it says nothing of roles."""
        claim = self._settings.roles_claim
        told: Any = claims
        for name in claim.split("."):
            told = told.get(name) if isinstance(told, dict) else None
        names = told.split() if isinstance(told, str) else told
        if names is None:
            return frozenset({Role.USER})
        if not isinstance(names, list):
            raise ClaimWrong(claim, "a list of roles")
        return frozenset(role for role in Role if role in names)


def _somebody(field: str, value: str) -> UserId:
    """A user who can be let in: what cannot be read stands under NOBODY, whoever sent it. Raises InvalidField."""
    if value == NOBODY:
        raise InvalidField(field, value, f"another name: {NOBODY!r} stands for whoever sent what cannot be read")
    return UserId(checked_token(field, value))


def make_token(settings: Settings, user: str, roles: Iterable[Role], lifetime: timedelta, now: datetime) -> str:
    """A token that this Parley's gateway takes, signed with its own key.

    Raises InvalidField, and SettingsError when there is no key, or tokens are made by somebody else (jwks_file).
    """
    if not timedelta(0) < lifetime <= LIFETIME_MAX:
        raise InvalidField("expires", str(lifetime), f"more than nothing and at most {LIFETIME_MAX.days} days")
    gateway = settings.gateway
    if gateway.jwks_file is not None:
        expected = "key or key_file instead: its tokens are made by whoever holds the private keys"
        raise SettingsError(f"gateway.jwks_file: {str(gateway.jwks_file)!r} is not allowed; expected {expected}")
    key = Keyring(settings).keys()[None]
    claims = {
        "sub": _somebody("user", user),
        "iat": now,
        "exp": now + lifetime,
        **({"iss": gateway.issuer} if gateway.issuer else {}),
        **({"aud": gateway.audience} if gateway.audience else {}),
        **_nested(gateway.roles_claim.split("."), sorted({*roles})),
    }
    return jwt.encode(claims, key.key, algorithm=SYMMETRIC)


def _key_for(header: dict[str, Any], keys: Keys) -> Key:
    if None in keys:
        return keys[None]
    kid = header.get("kid")
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    if not isinstance(kid, str) or kid not in keys:
        raise TokenForged("kid: the token names no key of gateway.jwks_file")
    return keys[kid]


def _nested(names: list[str], value: object) -> dict[str, Any]:
    first, *below = names
    return {first: _nested(below, value) if below else value}


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
