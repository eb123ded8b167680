"""What can be configured: read once, from config.yaml, `.env` and the environment, and passed down from there.

The environment wins over `.env`, which wins over config.yaml, which wins over the defaults below. A nested key is
written `PARLEY_ENGINE__BACKEND` in the environment. Anything unknown or impossible stops the start.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from tzlocal import get_localzone_name

from schemas.errors import InvalidField, shown
from schemas.ids import DEFAULT_TENANT, checked_token

PREFIX: Final = "PARLEY_"
CONFIG_FILE: Final = Path("config.yaml")
MINIMAL_MODE: Final = "MINIMAL_MODE"
SECRETS: Final = ("api_key", "token")
SECTIONS_WITH_SECRETS: Final = frozenset({"bus", "engine"})
NOT_SETTINGS: Final = frozenset({"PARLEY_ENGINE_API_KEY", "PARLEY_CONFIG", "PARLEY_SUPERVISED"})
WELL_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "NATS_URL": ("bus", "url"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("telemetry", "otlp_endpoint"),
}


class SettingsError(Exception):
    """The configuration cannot be used; one line that names the key, its value and what is allowed."""


class Section(BaseModel):
    """A part of the configuration; keys that do not exist are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BusSettings(Section):
    """The message bus."""

    url: str | None = None  # None: an embedded nats-server is started
    token: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("nats://", "tls://", "ws://", "wss://")):
            raise InvalidField("url", url, "an address such as nats://127.0.0.1:4222")
        return url


class EngineSettings(Section):
    """The language model that all stages share."""

    backend: Literal["auto", "llama.cpp", "openai", "vllm", "gpt4all", "contextual"] = "auto"
    base_url: str | None = None  # of a running server; None with llama.cpp: the embedded one is started
    model: str | None = None  # its name at base_url, or a GGUF file for the embedded engine
    api_key: SecretStr | None = None
    places: int | None = Field(default=None, ge=1, le=1024)  # requests at once; None: what suits the backend
    threads: int | None = Field(default=None, ge=1, le=256)  # of the embedded engine; None: all cores but one
    verify_ssl: bool = True
    use_grammar: bool = True

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        return _web_address("base_url", url)

    @model_validator(mode="after")
    def _addressed(self) -> "EngineSettings":
        if self.backend in ("openai", "vllm") and not (self.base_url and self.model):
            missing = "base_url" if not self.base_url else "model"
            raise InvalidField(missing, None, f"a value, since backend is {self.backend}: the server is not ours")
        if self.backend == "gpt4all" and not self.model:
            raise InvalidField("model", None, "a GGUF file, since backend is gpt4all: it comes without a model")
        return self


class SttSettings(Section):
    """The speech recogniser."""

    backend: Literal["whisper", "moonshine", "scripted"] = "whisper"  # scripted: for tests and benchmarks only
    model: str | None = None  # a path or a hub name; None: the bundled one
    beam: int = Field(default=1, ge=1, le=10)
    threads: int = Field(default=2, ge=1, le=64)
    longest_s: float = Field(default=120.0, gt=0, le=600)


class TtsSettings(Section):
    """The voice."""

    backend: Literal["hibari", "pyttsx3", "scripted"] = "hibari"  # scripted: for tests and benchmarks only
    model: str | None = None
    threads: int = Field(default=2, ge=1, le=64)


class ChatSettings(Section):
    """How replies are generated."""

    temperature: float = Field(default=0.2, ge=0, le=2)
    top_p: float = Field(default=0.8, gt=0, le=1)
    top_k: int = Field(default=40, ge=0)
    repetition_penalty: float = Field(default=1.05, ge=0.5, le=2)
    max_tokens: int = Field(default=80, ge=1, le=1024)
    max_sentences: int = Field(default=2, ge=1, le=20)
    candidates: int = Field(default=1, ge=1, le=8)


class TurnSettings(Section):
    """Limits of a turn."""

    timeout_s: float = Field(default=60.0, ge=1, le=3600)

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_s)


class LimitsSettings(Section):
    """Where Parley says that it has enough."""

    turns_per_minute: int | None = Field(default=120, ge=1)  # of one user; None: as many as come
    room_min_mb: int = Field(default=500, ge=0)  # on the disk with the data: below it no turn is taken in


class TelemetrySettings(Section):
    """Where traces go. Without an endpoint nothing leaves the machine."""

    otlp_endpoint: str | None = None

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        return _web_address("otlp_endpoint", url)


class Settings(Section):
    """All of it."""

    data_dir: Path = Path("data")
    tenant: str = DEFAULT_TENANT
    user: str = "me"
    time_zone: str = Field(default_factory=get_localzone_name)
    currency: str = "USD"
    blobs: Literal["files", "nats"] = "files"
    bus: BusSettings = BusSettings()
    engine: EngineSettings = EngineSettings()
    stt: SttSettings = SttSettings()
    tts: TtsSettings = TtsSettings()
    chat: ChatSettings = ChatSettings()
    turn: TurnSettings = TurnSettings()
    limits: LimitsSettings = LimitsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @field_validator("tenant", "user")
    @classmethod
    def _token(cls, value: str, info: ValidationInfo) -> str:
        return checked_token(str(info.field_name), value)

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        return checked_zone("time_zone", name)

    @field_validator("currency")
    @classmethod
    def _currency(cls, code: str) -> str:
        if not re.fullmatch("[A-Z]{3}", code):
            raise InvalidField("currency", code, "three capital letters such as USD (ISO 4217)")
        return code


def checked_zone(field: str, name: str) -> str:
    """A time zone that this machine knows. Raises InvalidField."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField(field, name, "an IANA name such as Europe/Berlin") from None
    return name


def load(config: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration. `config` None: PARLEY_CONFIG, or config.yaml where there is one. Raises SettingsError."""
    process = dict(os.environ) if environment is None else dict(environment)
    named = config or (Path(process["PARLEY_CONFIG"]) if "PARLEY_CONFIG" in process else None)
    tree = _yaml(named or CONFIG_FILE, required=named is not None)
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    variables = {**dotenv, **process}
    # Minimal mode comes last of its kind, so that it does not depend on the order in which variables were set.
    for name in sorted(variables, key=lambda name: (name in process, name == MINIMAL_MODE)):
        _apply(tree, name, variables[name])
    try:
        return Settings.model_validate(tree)
    except pydantic.ValidationError as refused:
        raise SettingsError(_one_line(refused)) from None


def _yaml(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.exists():
        if required:
            raise SettingsError(f"{path}: there is no such file; name an existing configuration or leave it out")
        return {}
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.MarkedYAMLError as error:  # told without the line itself, which may hold a secret
        place = error.problem_mark or error.context_mark
        where = f" in line {place.line + 1}, column {place.column + 1}" if place else ""
        raise SettingsError(f"{path}: not readable as YAML: {error.problem or error.context}{where}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", type(error).__name__)
        raise SettingsError(f"{path}: not readable as YAML: {reason}") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: holds {shown(tree)}; expected keys and values such as `user: me`")
    return tree


def _apply(tree: dict[str, Any], name: str, value: str) -> None:
    """Set what one environment variable says, if it is one of ours."""
    if name in WELL_KNOWN:
        _set(tree, WELL_KNOWN[name], value)
    elif name == MINIMAL_MODE:
        if value.strip().lower() not in {"true", "false", "1", "0", "yes", "no", ""}:
            raise SettingsError(f"MINIMAL_MODE: {shown(value)} is not allowed; expected true or false")
        if value.strip().lower() in {"true", "1", "yes"}:
            _set(tree, ("engine", "backend"), "contextual")
    elif name.startswith(PREFIX) and name not in NOT_SETTINGS:
        _set(tree, tuple(name.removeprefix(PREFIX).lower().split("__")), value)


def _set(tree: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise SettingsError(f"{key}: {shown(below)} is not allowed; expected keys below it, such as {keys[-1]}")
        tree = below
    tree[keys[-1]] = None if value == "" else value


def _one_line(refused: pydantic.ValidationError) -> str:
    first = refused.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    cause = first.get("ctx", {}).get("error")
    if first["type"] == "extra_forbidden":
        section: Any = Settings
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation
        return f"{key}: there is no such key; expected one of {', '.join(sorted(section.model_fields))}"
    value = _without_secrets(key, shown(first["input"]))
    if isinstance(cause, InvalidField) and cause.field not in key.split("."):
        key, value = f"{key}.{cause.field}" if key else cause.field, cause.value
    allowed = cause.expected if isinstance(cause, InvalidField) else first["msg"]
    return f"{key}: {value} is not allowed; expected {allowed.removeprefix('Input should be ')}"


def _without_secrets(key: str, value: str) -> str:
    """A value as it may be shown: nothing of keys and tokens, no password of an address."""
    if key in SECTIONS_WITH_SECRETS or any(secret in key for secret in SECRETS):
        return "(hidden)"
    return re.sub(r"://[^/@\s]*@", "://(hidden)@", value)


def _web_address(field: str, url: str | None) -> str | None:
    if url is not None and not re.match(r"https?://[^/\s]", url):
        raise InvalidField(field, url, "an address such as http://127.0.0.1:8000")
    return url
