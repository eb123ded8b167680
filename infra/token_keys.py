"""The keys that tokens are checked with: one of this Parley's own (HS256), or public ones of who makes the tokens.

Which algorithm a key is for follows from its kind. A file of keys is read again when it changes.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from infra.gateway_settings import KEY_MIN_BYTES
from infra.private_files import make_private
from infra.reread_file import RereadFile
from infra.settings import Settings, SettingsError

KEY_FILE: Final = "gateway.key"  # in data_dir: the key when none is configured
KEY_BYTES: Final = 48  # of a key that is made here: 64 characters
RSA_MIN_BITS: Final = 2_048  # RFC 7518, 3.3
SYMMETRIC: Final = "HS256"
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


@dataclass(frozen=True, slots=True)
class Key:
    """What a signature is checked with."""

    algorithm: str
    key: Any  # bytes, or a public key of `cryptography`


Keys = dict[str | None, Key]  # by kid; None: the only one, whatever a token says


class Keyring:
    """The keys of a configuration, as they are now."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when there is none, or it cannot be used."""
        self._keys = _keys_of(settings)

    def keys(self) -> Keys:
        """All of them."""
        return self._keys.read() if isinstance(self._keys, RereadFile) else self._keys


def has_own_key(settings: Settings) -> bool:
    """Whether there is a key to make tokens with, configured or made before."""
    gateway = settings.gateway
    return any((gateway.key, gateway.key_file, gateway.jwks_file)) or key_file_of(settings).exists()


def key_file_of(settings: Settings) -> Path:
    """Where the key lies when none is configured."""
    return settings.data_dir / KEY_FILE


def make_key_file(settings: Settings) -> Path:
    """A new key for this Parley, unless it has one already; readable by its owner only. Raises OSError."""
    file = key_file_of(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    make_private(file, secrets.token_urlsafe(KEY_BYTES))
    return file


def _keys_of(settings: Settings) -> RereadFile[Keys] | Keys:
    """Raises SettingsError."""
    gateway = settings.gateway
    if gateway.key is not None:
        return _one_key(gateway.key.get_secret_value())
    if gateway.jwks_file is not None:
        return RereadFile("gateway.jwks_file", gateway.jwks_file, _public_keys)
    if gateway.key_file is not None:
        return RereadFile("gateway.key_file", gateway.key_file, _one_key)
    if not key_file_of(settings).exists():
        expected = (
            f"a key: `parley token --user NAME` makes {key_file_of(settings)}; or set gateway.key_file or jwks_file"
        )
        raise SettingsError(f"gateway.auth: 'jwt' is not allowed; expected {expected}")
    return RereadFile("gateway.key_file", key_file_of(settings), _one_key)


def _one_key(text: str) -> Keys:
    """Raises ValueError."""
    key = text.strip().encode()
    if len(key) < KEY_MIN_BYTES:
        raise ValueError(f"a key of at least {KEY_MIN_BYTES} bytes")
    return {None: Key(SYMMETRIC, key)}


def _public_keys(text: str) -> Keys:
    """The keys of a JSON Web Key Set (RFC 7517) that can be used here. Raises ValueError."""
    expected = 'a JSON Web Key Set, such as {"keys": [{"kty": "RSA", "kid": …}]}'
    try:
        listed = json.loads(text)["keys"]
        members = [member for member in listed if isinstance(member, dict)]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(expected) from None
    if any("d" in member or "k" in member for member in members):
        raise ValueError("public keys only; a secret one is in it")
    found = [(member.get("kid"), key) for member in members if (key := _public_key(member)) is not None]
    if not found:
        raise ValueError(f"a key of RS256 (of at least {RSA_MIN_BITS} bits), ES256 or EdDSA (Ed25519) in it")
    kids = [kid for kid, _ in found]
    if len(found) > 1 and (len(set(kids)) < len(kids) or not all(isinstance(kid, str) for kid in kids)):
        raise ValueError("a kid of its own for each key")
    return {kid or "": key for kid, key in found}


def _public_key(member: dict[str, Any]) -> Key | None:
    """One that signs with an algorithm that is taken; None for any other."""
    algorithm = _ALGORITHMS.get((str(member.get("kty")), member.get("crv")))
    if algorithm is None or member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(member, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_MIN_BITS:
        return None
    return Key(algorithm, key)
