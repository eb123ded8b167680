"""What can be configured of the gateway: where it listens, who may come in, and how much of it one may take."""

import ipaddress
import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from schemas.errors import InvalidField

USUAL_PORT: Final = 8080
KEY_MIN_BYTES: Final = 32  # of HS256: as long as its hash (RFC 7518, 3.2)
_CLAIM = re.compile(r"[A-Za-z0-9_:/-]+(\.[A-Za-z0-9_:/-]+)*")


class GatewaySettings(BaseModel):
    """The front door for browsers and programs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True  # part of `parley up`
    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)  # 0: any free one; None: 8080, or any when it is taken

    auth: Literal["none", "jwt"] = "none"
    key: SecretStr | None = None  # HS256
    key_file: Path | None = None  # a file that holds nothing but the key
    jwks_file: Path | None = None  # public keys of RS256, ES256 and EdDSA; read again when it changes
    issuer: str | None = Field(default=None, min_length=1, max_length=512)
    audience: str | None = Field(default=None, min_length=1, max_length=512)
    roles_claim: str = "roles"  # dots lead into objects, e.g. realm_access.roles

    requests_per_minute: int | None = Field(default=300, ge=1)  # of one user; None: as many as come
    address_requests_per_minute: int | None = Field(default=1_200, ge=1)  # of one address, connections among them
    body_max_mb: float = Field(default=1.0, gt=0, le=1_024)
    upload_max_mb: float = Field(default=25.0, gt=0, le=4_096)  # of a recording
    frame_max_kb: int = Field(default=64, ge=1, le=16_384)  # of one message on the socket
    sockets_max: int = Field(default=256, ge=1)
    sockets_per_user: int = Field(default=16, ge=1)
    sockets_per_address: int = Field(default=64, ge=1)
    hello_within_s: float = Field(default=10.0, gt=0, le=600)  # whoever connects and says nothing is hung up on
    idle_s: float = Field(default=300.0, gt=0, le=86_400)  # a socket on which nothing is said

    cors_origins: tuple[str, ...] = ()  # other web pages that may call, e.g. https://app.example.org
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-For is believed

    @property
    def on_loopback(self) -> bool:
        """Whether nobody beyond this machine can connect."""
        return is_loopback(self.host)

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", host) and not _is_address(host):
            raise InvalidField("host", host, "a name or an address such as 127.0.0.1 or 0.0.0.0")
        return host

    @field_validator("key")
    @classmethod
    def _long(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        plain = key.get_secret_value().strip()
        if len(plain.encode()) < KEY_MIN_BYTES:
            raise InvalidField("key", "(hidden)", f"at least {KEY_MIN_BYTES} bytes; `parley token` makes a good one")
        return SecretStr(plain)

    @field_validator("roles_claim")
    @classmethod
    def _claim(cls, claim: str) -> str:
        if not _CLAIM.fullmatch(claim):
            raise InvalidField("roles_claim", claim, "the name of a claim, such as roles or realm_access.roles")
        return claim

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not is_origin(origin):
                raise InvalidField("cors_origins", origin, "an origin such as https://app.example.org, without a path")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise InvalidField("trusted_proxies", proxy, "an address or a network such as 10.0.0.0/8") from None
        return proxies

    @model_validator(mode="after")
    def _guarded(self) -> "GatewaySettings":
        """Without tokens nobody from outside may come in: neither directly nor through a proxy.

        Also where it is not enabled: `parley gateway` starts it all the same.
        """
        if self.auth == "none":
            if not self.on_loopback:
                expected = f"jwt, since host is {self.host}: beyond this machine nobody may come in without a token"
                raise InvalidField("auth", self.auth, expected)
            if self.trusted_proxies:
                raise InvalidField("auth", self.auth, "jwt, since trusted_proxies lets others in through a proxy")
        return self

    @model_validator(mode="after")
    def _one_kind_of_key(self) -> "GatewaySettings":
        given = [name for name in ("key", "key_file", "jwks_file") if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidField(
                given[1], "(also set)", f"only one of key, key_file and jwks_file; {given[0]} is set too"
            )
        for name in ("issuer", "audience"):
            if self.jwks_file is not None and getattr(self, name) is None:
                raise InvalidField(
                    name, None, "what its tokens say, since jwks_file is set: its keys sign for others too"
                )
        return self


def who_may(settings: GatewaySettings, user: str) -> str:
    """The line with which a gateway says at its start who may come in; loud when anybody on this machine may."""
    if settings.auth == "none":
        return (
            f"WARNING: no token is asked for (gateway.auth: none): everybody on this machine "
            f"is {user!r} and may read and delete all; set gateway.auth: jwt, then `parley token`"
        )
    where = "this machine" if settings.on_loopback and not settings.trusted_proxies else "the network"
    return f"tokens are asked for (gateway.auth: jwt), open to {where}"


def web_address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host of this name or address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_origin(origin: str) -> bool:
    """Whether this is a web origin as browsers send it: scheme, host and at most a port (RFC 6454)."""
    try:
        parts = urlsplit(origin)
        _ = parts.port  # which checks it
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and origin == f"{parts.scheme}://{parts.netloc}"
        and "@" not in origin
        and origin == origin.lower()
        and not re.search(r"[\s*\\]", origin)
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
