"""What can be configured: read once, from config.yaml, `.env` and the environment, and passed down from there.

The environment wins over `.env`, which wins over config.yaml, which wins over the defaults below. A nested key is
written `PARLEY_ENGINE__BACKEND` in the environment. Anything unknown or impossible stops the start.
"""

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from tzlocal import get_localzone_name

from infra.environment_names import meant
from infra.gateway_settings import GatewaySettings
from infra.settings_refusals import one_line
from schemas.errors import InvalidField, shown
from schemas.ids import DEFAULT_TENANT, checked_token

PREFIX: Final = "PARLEY_"
CONFIG_FILE: Final = Path("config.yaml")
MINIMAL_MODE: Final = "MINIMAL_MODE"
SHARED: Final = "shared"  # the name of the engine in the section `engine`
CONTEXTUAL: Final = "contextual"  # the name of the rules that answer without a model
LOCAL_BACKENDS: Final = frozenset({"minilm", "wordllama"})  # models in this process, which need no address
RANK: Final = "rank"  # the role that has no default: without a list the reranker does without an engine
ROLE_PORTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("chat", "intent", "slots", "summarise", "judge"), ("generate",)),
    RANK: ("score", "embed", "generate"),
}
"""Each role, and what an engine must be able to do to serve it."""
NOT_SETTINGS: Final = frozenset({"PARLEY_ENGINE_API_KEY", "PARLEY_CONFIG", "PARLEY_SUPERVISED"})


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


class ServerSettings(Section):
    """How an engine behind an address is reached, and how long to be patient with it."""

    base_url: str | None = None
    model: str | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None  # a file that holds nothing but the key
    places: int | None = Field(default=None, ge=1, le=1024)  # requests at once; None: what suits the backend
    verify_ssl: bool = True
    use_grammar: bool = True
    connect_timeout_s: float = Field(default=2.0, gt=0, le=60)
    first_token_timeout_s: float = Field(default=20.0, gt=0, le=600)
    stall_timeout_s: float = Field(default=10.0, gt=0, le=600)  # between two pieces of an answer

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        return _web_address("base_url", url)

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        plain = key.get_secret_value().strip()
        if not _can_be_sent(plain):
            raise InvalidField("api_key", "(hidden)", "printable ASCII without white space: it is sent in a header")
        return SecretStr(plain)

    @field_validator("api_key_file")
    @classmethod
    def _readable(cls, file: Path | None) -> Path | None:
        if file is not None and not _can_be_sent(_key_in(file) or ""):
            raise InvalidField("api_key_file", str(file), "a file that can be read and holds the key")
        return file

    @property
    def key(self) -> str | None:
        """The key, wherever it stands; `api_key` wins."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return _key_in(self.api_key_file) if self.api_key_file is not None else None


class EngineSettings(ServerSettings):
    """The language model that all stages share: the engine named `shared`.

    `base_url` None with llama.cpp: the embedded one is started. `model`: its name at base_url, or a GGUF file for the
    embedded engine.
    """

    backend: Literal["auto", "llama.cpp", "gpt4all", "openai", "vllm", "contextual"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=256)  # of the embedded engine; None: all cores but one

    @model_validator(mode="after")
    def _addressed(self) -> "EngineSettings":
        ours = self.backend == "vllm" and not self.base_url  # then `parley up` starts it, see VllmSettings
        if self.backend in ("openai", "vllm") and not ours and not (self.base_url and self.model):
            missing = "base_url" if not self.base_url else "model"
            said = "its address, such as http://127.0.0.1:8000" if missing == "base_url" else "its name there"
            variable = " (engine.model, or VLLM_MODEL_NAME in the environment)" if missing == "model" else ""
            raise InvalidField(missing, None, f"{said}{variable}, since backend is {self.backend}")
        if self.backend == "gpt4all" and not self.model:
            raise InvalidField("model", None, "a GGUF file, since backend is gpt4all: it comes without a model")
        return self


class ModelSettings(ServerSettings):
    """A model with a name of its own, for one or more roles: an engine that runs already, or one in this process.

    `port` is what it can do: generate text, embed texts, or score texts against a question (a reranker). The sampling
    replaces chat's for this model; None leaves it.
    """

    backend: Literal["vllm", "llama.cpp", "openai", "gpt4all", "minilm", "wordllama"]
    port: Literal["generate", "embed", "score"] = "generate"
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    repetition_penalty: float | None = Field(default=None, ge=0.5, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1024)

    @model_validator(mode="after")
    def _whole(self) -> "ModelSettings":
        if self.backend in LOCAL_BACKENDS:
            if self.port == "generate":
                raise InvalidField("port", self.port, f"embed or score, since {self.backend} generates no text")
            if self.base_url is not None:
                raise InvalidField("base_url", self.base_url, f"none, since {self.backend} runs in this process")
            return self
        for name, said in (("base_url", "its address, such as http://127.0.0.1:8000"), ("model", "its name there")):
            if not getattr(self, name):
                raise InvalidField(name, None, f"{said}, since backend is {self.backend}")
        return self


class PriceSettings(Section):
    """What the tokens of a model cost, a million of them."""

    prompt: Decimal = Field(ge=0, le=1_000_000)
    completion: Decimal = Field(ge=0, le=1_000_000)
    currency: str | None = None  # None: `currency`

    @field_validator("currency")
    @classmethod
    def _currency(cls, code: str | None) -> str | None:
        return code if code is None else checked_currency("currency", code)


class VllmSettings(Section):
    """The vLLM server that scripts/start_vllm and `parley up --engine vllm` start. None: what suits the machine."""

    model: str | None = None  # a folder or a hub name; None: engine.model, or the bundled SmolLM2
    port: int | None = Field(default=None, ge=1, le=65535)  # None: 8000; for `parley up` any free one
    max_model_len: int | None = Field(default=None, ge=16)  # tokens of prompt and answer; None: the model's own
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    tensor_parallel_size: int | None = Field(default=None, ge=1, le=1024)
    lora: dict[str, Path] = {}  # adapters: name -> folder
    quantization: str | None = None  # e.g. awq, gptq, fp8; None: as the model says
    dtype: Literal["auto", "float16", "bfloat16", "float32"] | None = None
    enforce_eager: bool | None = None
    extra_args: tuple[str, ...] = ()  # handed through to vLLM


class SttSettings(Section):
    """The speech recogniser."""

    backend: Literal["whisper", "moonshine", "scripted"] = "whisper"  # scripted: for tests and benchmarks only
    model: str | None = None  # a path or a hub name; None: the bundled one
    beam: int = Field(default=1, ge=1, le=10)
    threads: int = Field(default=2, ge=1, le=64)
    longest_s: float = Field(default=120.0, gt=0, le=600)
    partials: Literal["moonshine", "whisper", "none", "scripted"] | None = None  # None: moonshine, or scripted as above

    @property
    def partials_backend(self) -> str | None:
        """Who tells what is being said while it is being said; None: nobody."""
        chosen = self.partials or ("scripted" if self.backend == "scripted" else "moonshine")
        return None if chosen == "none" else chosen


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
    rank_within_s: float = Field(default=0.5, gt=0, le=60)  # for an engine that ranks; the first sentence waits for it


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


class LogSettings(Section):
    """How long the event log keeps what it has. Days are counted in UTC, from when an event was recorded."""

    archive_after_days: int | None = Field(default=7, ge=0, le=36_500)  # a day moves to Parquet; None: never
    keep_days: int | None = Field(default=None, ge=1, le=36_500)  # None: for ever
    keep_mb: int | None = Field(default=None, ge=1)  # of database and archive; the oldest days go first; None: no limit

    @model_validator(mode="after")
    def _archived_before_removed(self) -> "LogSettings":
        for name in ("keep_days", "keep_mb"):
            if getattr(self, name) is not None and self.archive_after_days is None:
                raise InvalidField(name, getattr(self, name), "nothing, or a number for archive_after_days too")
        archived = self.archive_after_days
        if self.keep_days is not None and archived is not None and self.keep_days <= archived:
            raise InvalidField("keep_days", self.keep_days, f"more than archive_after_days ({archived})")
        return self


class AudioSettings(Section):
    """How long recordings and spoken answers lie in the blob store; the log keeps their references."""

    keep: bool = True  # False: until their turn has ended
    keep_days: int | None = Field(default=None, ge=1, le=36_500)  # after the turn; None: as long as the log, keep_days

    @model_validator(mode="after")
    def _kept_for_days(self) -> "AudioSettings":
        if not self.keep and self.keep_days is not None:
            raise InvalidField("keep_days", self.keep_days, "nothing, since keep is false")
        return self


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
    hf_token: SecretStr | None = None  # for hub models that are not open to everybody
    training_data: bool = True  # False: the log keeps operations only, nothing of what was said
    training_data_dir: Path | None = None  # where exports also write the files with the seed's names; None: nowhere
    prompts: Path | None = None  # a folder of own prompts; each file in it goes before the shipped one
    bus: BusSettings = BusSettings()
    engine: EngineSettings = EngineSettings()
    models: dict[str, ModelSettings] = {}
    default_model: str = SHARED
    roles: dict[str, tuple[str, ...]] = {}
    prices: dict[str, PriceSettings] = {}  # by the model's name as the log has it; for `parley report`
    vllm: VllmSettings = VllmSettings()
    stt: SttSettings = SttSettings()
    tts: TtsSettings = TtsSettings()
    chat: ChatSettings = ChatSettings()
    turn: TurnSettings = TurnSettings()
    limits: LimitsSettings = LimitsSettings()
    log: LogSettings = LogSettings()
    audio: AudioSettings = AudioSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    gateway: GatewaySettings = GatewaySettings()

    @field_validator("tenant", "user")
    @classmethod
    def _token(cls, value: str, info: ValidationInfo) -> str:
        return checked_token(str(info.field_name), value)

    @field_validator("roles", mode="before")
    @classmethod
    def _lists(cls, roles: object) -> object:
        """A role's engines may be written as a list, or (in the environment) as names with commas between."""
        if not isinstance(roles, dict):
            return roles
        return {
            role: [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names
            for role, names in roles.items()
        }

    @model_validator(mode="after")
    def _named(self) -> "Settings":
        for name in self.models:
            if name in (SHARED, CONTEXTUAL) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
                raise InvalidField(
                    f"models.{name}", name, "a name of small letters, digits and -_. that is not shared or contextual"
                )
        self._checked("default_model", self.default_model, "generate")
        for role, names in self.roles.items():
            if role not in ROLE_PORTS:
                raise InvalidField(f"roles.{role}", role, f"one of the roles {', '.join(ROLE_PORTS)}")
            for name in names:
                self._checked(f"roles.{role}", name, *ROLE_PORTS[role])
            if CONTEXTUAL in names[:-1]:
                raise InvalidField(f"roles.{role}", ", ".join(names), f"{CONTEXTUAL} at the end")
        return self

    def _checked(self, field: str, name: str, *ports: str) -> None:
        """That an engine of this name exists and can do what is wanted of it. Raises InvalidField."""
        generating = (SHARED, CONTEXTUAL) if ports == ("generate",) else (SHARED,)  # the rules rank nothing
        fitting = [*generating, *(known for known, model in self.models.items() if model.port in ports)]
        if name not in fitting:
            listed = ", ".join(fitting) or f"a model under `models:` with port {' or '.join(ports)}"
            raise InvalidField(field, name, f"an engine that can {' or '.join(ports)}: {listed}")

    def engines_of(self, role: str) -> tuple[str, ...]:
        """The names of the engines of a role, best first. One that lists none has the default model, `rank` nobody."""
        if role in self.roles:
            return self.roles[role]
        return (self.default_model,) if role != RANK else ()

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        return checked_zone("time_zone", name)

    @field_validator("currency")
    @classmethod
    def _currency(cls, code: str) -> str:
        return checked_currency("currency", code)


def _can_be_sent(key: str) -> bool:
    return bool(key) and all("!" <= sign <= "~" for sign in key)


def _key_in(file: Path) -> str | None:
    try:
        return file.expanduser().read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def checked_prompts(settings: "Settings") -> "Settings":
    """These settings, if their folder of prompts is there. Raises SettingsError. Only asked at the start: what is gone
    later is replaced by the prompts that come with Parley.
    """
    if settings.prompts is not None and not settings.prompts.is_dir():
        raise SettingsError(f"prompts: '{settings.prompts}' is not allowed; expected a folder that exists")
    return settings


def checked_currency(field: str, code: str) -> str:
    """A currency's code. Raises InvalidField."""
    if not re.fullmatch("[A-Z]{3}", code):
        raise InvalidField(field, code, "three capital letters such as USD (ISO 4217)")
    return code


def checked_zone(field: str, name: str) -> str:
    """A time zone that this machine knows. Raises InvalidField."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField(field, name, "an IANA name such as Europe/Berlin") from None
    return name


def checked_vllm(changes: Mapping[str, Any]) -> VllmSettings:
    """These values of the section `vllm`, given on a command line. Raises SettingsError."""
    try:
        return Settings.model_validate({"vllm": dict(changes)}).vllm
    except pydantic.ValidationError as refused:
        raise SettingsError(one_line(refused, Settings)) from None


def with_gateway(settings: "Settings", changes: Mapping[str, Any]) -> "Settings":
    """The settings with some of the gateway's keys replaced, checked as if they stood in the file."""
    try:
        gateway = Settings.model_validate({"gateway": {**settings.gateway.model_dump(), **changes}}).gateway
    except pydantic.ValidationError as refused:
        raise SettingsError(one_line(refused, Settings)) from None
    return settings.model_copy(update={"gateway": gateway})


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


_HOLDING_OTHERS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if get_origin(field.annotation) is dict or _is_section(field)
)
"""Keys below which there are others."""


def load(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    changes: Mapping[str, str] | None = None,
) -> Settings:
    """Read the configuration. `config` None: PARLEY_CONFIG, or config.yaml where there is one.

    `changes` win over all: dotted keys such as `engine.model`, an empty value taking away. Raises SettingsError.
    """
    process = dict(os.environ) if environment is None else dict(environment)
    named = config or (Path(process["PARLEY_CONFIG"]) if "PARLEY_CONFIG" in process else None)
    tree = _yaml(named or CONFIG_FILE, required=named is not None)
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None and name not in process}
    for variables in (dotenv, process):
        _apply(tree, variables)
    for name, value in (changes or {}).items():
        _set(tree, tuple(name.split(".")), value)
    for key in [key for key, value in tree.items() if value is None and key in _HOLDING_OTHERS]:
        del tree[key]  # `models:` with nothing below it
    try:
        return Settings.model_validate(tree)
    except pydantic.ValidationError as refused:
        raise SettingsError(one_line(refused, Settings)) from None


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


def _apply(tree: dict[str, Any], variables: Mapping[str, str]) -> None:
    """Set what environment variables say: well-known names, then Parley's own, and last whether there is a model."""
    try:
        for keys, value in meant(variables):
            _set(tree, keys, value)
    except InvalidField as refused:
        raise SettingsError(str(refused)) from None
    for name, value in variables.items():
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            _set(tree, tuple(name.removeprefix(PREFIX).lower().split("__")), value)
    minimal = variables.get(MINIMAL_MODE, "").strip().lower()
    if minimal not in {"true", "false", "1", "0", "yes", "no", ""}:
        raise SettingsError(f"MINIMAL_MODE: {shown(variables[MINIMAL_MODE])} is not allowed; expected true or false")
    if minimal in {"true", "1", "yes"}:
        _set(tree, ("engine", "backend"), CONTEXTUAL)
        _set(tree, ("default_model",), CONTEXTUAL)
        tree["roles"] = {}


def _set(tree: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise SettingsError(f"{key}: {shown(below)} is not allowed; expected keys below it, such as {keys[-1]}")
        tree = below
    tree[keys[-1]] = None if value == "" else _structured(".".join(keys), value)


def _structured(key: str, value: str) -> object:
    """A list or a mapping is written as JSON in the environment: PARLEY_MODELS='{"big": {...}}'."""
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        if key.split(".")[0] in _HOLDING_OTHERS:
            raise SettingsError(f'{key}: a value that is no JSON; expected such as {{"name": "value"}}') from None
        return value


def _web_address(field: str, url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        well = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # which checks the port
    except ValueError:
        well = False
    if not well or re.search(r"\s", url):
        raise InvalidField(field, url, "an address such as http://127.0.0.1:8000")
    return url


def without_login(url: str) -> str:
    """An address as it may be shown: without user and password."""
    return re.sub(r"://[^/@\s]*@", "://", url)
