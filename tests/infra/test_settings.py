"""What can be configured: who wins over whom, and that every mistake is one line that teaches."""

from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infra.settings import Settings, SettingsError, load

SECRET = "sk-very-secret"
Loads = Callable[..., Settings]


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Loads from a folder with these files, in this environment."""
    monkeypatch.chdir(tmp_path)

    def loaded(config: str | None = None, dotenv: str | None = None, **environment: str) -> Settings:
        for name, text in (("config.yaml", config), (".env", dotenv)):
            if text is not None:
                (tmp_path / name).write_text(text, encoding="utf-8")
        return load(environment=environment)

    return loaded


@pytest.fixture
def refusal(loads: Loads) -> Callable[..., str]:
    """The one line with which a configuration is refused."""

    def refused(config: str | None = None, dotenv: str | None = None, **environment: str) -> str:
        with pytest.raises(SettingsError) as caught:
            loads(config, dotenv, **environment)
        line = str(caught.value)
        assert "\n" not in line
        assert caught.value.__cause__ is None, "no second error is shown below it"
        return line

    return refused


# Where it comes from


def test_nothing_at_all_is_a_configuration(loads: Loads) -> None:
    settings = loads()

    assert settings.bus.url is None
    assert (settings.engine.backend, settings.stt.backend, settings.tts.backend) == ("auto", "whisper", "hibari")
    assert settings.telemetry.otlp_endpoint is None
    ZoneInfo(settings.time_zone)


@pytest.mark.parametrize("config", ["", "# only a comment\n", "bus: {}\n"])
def test_an_empty_file_is_a_configuration(loads: Loads, config: str) -> None:
    assert loads(config) == loads()


def test_the_file_that_comes_with_parley_says_nothing_but_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]

    assert load(root / "config.yaml", {}) == Settings()


def test_the_environment_wins_over_dotenv_over_the_file_over_the_defaults(loads: Loads) -> None:
    config = "user: from-file\ncurrency: EUR\nchat: {max_tokens: 11, top_k: 12}\n"
    dotenv = "PARLEY_USER=from-dotenv\nPARLEY_CHAT__MAX_TOKENS=22\nPARLEY_STT__BEAM=2\n"

    settings = loads(config, dotenv, PARLEY_USER="from-environment", PARLEY_STT__BEAM="3")

    assert settings.user == "from-environment"
    assert settings.stt.beam == 3
    assert settings.chat.max_tokens == 22
    assert (settings.chat.top_k, settings.currency) == (12, "EUR")
    assert settings.chat.max_sentences == Settings().chat.max_sentences


def test_well_known_variables_are_understood(loads: Loads) -> None:
    settings = loads(NATS_URL="nats://bus:4222", OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318")

    assert settings.bus.url == "nats://bus:4222"
    assert settings.telemetry.otlp_endpoint == "http://collector:4318"


def test_an_empty_variable_takes_an_optional_value_back(loads: Loads) -> None:
    assert loads("bus: {url: 'nats://bus:4222'}", NATS_URL="").bus.url is None


def test_variables_of_others_are_none_of_our_business(loads: Loads) -> None:
    assert loads(PATH="/bin", NATS_OTHER="x", PARLEYX="y", PARLEY_SUPERVISED="1") == loads()


def test_another_file_can_be_named(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("user: other")

    assert loads("user: usual", PARLEY_CONFIG=str(tmp_path / "other.yaml")).user == "other"


@pytest.mark.parametrize("yes", ["true", "True", " 1 ", "YES"])
def test_minimal_mode_needs_no_engine(loads: Loads, yes: str) -> None:
    assert loads("engine: {backend: llama.cpp}", MINIMAL_MODE=yes).engine.backend == "contextual"


@pytest.mark.parametrize("no", ["false", "0", "no", ""])
def test_minimal_mode_that_is_off_changes_nothing(loads: Loads, no: str) -> None:
    assert loads(MINIMAL_MODE=no).engine.backend == "auto"


@pytest.mark.parametrize("first", ["MINIMAL_MODE", "PARLEY_ENGINE__BACKEND"])
def test_minimal_mode_wins_over_a_backend_in_whatever_order_they_are_set(loads: Loads, first: str) -> None:
    told = {"MINIMAL_MODE": "true", "PARLEY_ENGINE__BACKEND": "llama.cpp"}
    ordered = dict(sorted(told.items(), key=lambda item: item[0] != first))

    assert loads(**ordered).engine.backend == "contextual"


def test_minimal_mode_in_dotenv_is_taken_back_by_the_environment(loads: Loads) -> None:
    assert loads(dotenv="MINIMAL_MODE=true", MINIMAL_MODE="false").engine.backend == "auto"


# Refusals

REFUSED: Mapping[str, tuple[str, str]] = {
    "unknown key": ("usr: me", "usr: there is no such key; expected one of blobs, bus, chat, currency, "),
    "unknown key below": ("stt: {bakend: x}", "stt.bakend: there is no such key; expected one of backend, beam, "),
    "wrong word": ("stt: {backend: siri}", "stt.backend: 'siri' is not allowed; expected 'whisper'"),
    "no number": ("stt: {beam: many}", "stt.beam: 'many' is not allowed; expected a valid integer"),
    "too small": ("turn: {timeout_s: 0}", "turn.timeout_s: 0 is not allowed; expected greater than or equal to 1"),
    "too large": ("turn: {timeout_s: 9999}", "turn.timeout_s: 9999 is not allowed; expected less than or "),
    "not finite": ("turn: {timeout_s: .nan}", "turn.timeout_s: nan is not allowed; expected "),
    "no section": ("stt: whisper", "stt: 'whisper' is not allowed; expected "),
    "a list": ("[1, 2]", "config.yaml: holds [1, 2]; expected keys and values such as `user: me`"),
    "no zone": ("time_zone: Mars/Base", "time_zone: 'Mars/Base' is not allowed; expected an IANA name such as "),
    "a path as zone": ("time_zone: ../x", "time_zone: '../x' is not allowed; expected an IANA name such as "),
    "no currency": ("currency: dollars", "currency: 'dollars' is not allowed; expected "),
    "no token": ("user: a.b", "user: 'a.b' is not allowed; expected "),
    "no address": (
        "bus: {url: '127.0.0.1:4222'}",
        "bus.url: '127.0.0.1:4222' is not allowed; expected an address such",
    ),
    "no web address": (
        "engine: {base_url: '127.0.0.1:8000'}",
        "engine.base_url: '127.0.0.1:8000' is not allowed; expected an address such as http://",
    ),
    "no endpoint": (
        "telemetry: {otlp_endpoint: localhost}",
        "telemetry.otlp_endpoint: 'localhost' is not allowed; expected an address such as http://",
    ),
    "a server without address": ("engine: {backend: vllm}", "engine.base_url: None is not allowed; expected a value"),
    "a server without model": (
        "engine: {backend: openai, base_url: 'http://x'}",
        "engine.model: None is not allowed; expected a value, since backend is openai",
    ),
    "gpt4all without a model": (
        "engine: {backend: gpt4all}",
        "engine.model: None is not allowed; expected a GGUF file, since backend is gpt4all",
    ),
    "a backend that does not exist": (
        "engine: {backend: gpt5all}",
        "engine.backend: 'gpt5all' is not allowed; expected 'auto', 'llama.cpp', 'openai', 'vllm', 'gpt4all' or",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_names_key_value_and_what_is_allowed(refusal: Callable[..., str], case: str) -> None:
    config, line = REFUSED[case]

    assert refusal(config).startswith(line)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PARLEY_STT__BEAM", "0", "stt.beam: '0' is not allowed; expected greater than or equal to 1"),
        ("PARLEY_SST__BEAM", "1", "sst: there is no such key; expected one of "),
        ("PARLEY_STT__BEEM", "1", "stt.beem: there is no such key; expected one of "),
        ("PARLEY_STT", "moonshine", "stt: 'moonshine' is not allowed; expected "),
        ("PARLEY_USER__NAME", "x", "user: "),
        ("NATS_URL", "http://bus", "bus.url: 'http://bus' is not allowed; expected an address such as nats://"),
        ("MINIMAL_MODE", "perhaps", "MINIMAL_MODE: 'perhaps' is not allowed; expected true or false"),
    ],
)
def test_a_mistake_in_the_environment_is_told_alike(
    refusal: Callable[..., str], name: str, value: str, line: str
) -> None:
    assert refusal(**{name: value}).startswith(line)


def test_a_variable_below_a_value_of_the_file_is_refused(refusal: Callable[..., str]) -> None:
    assert refusal("user: me", PARLEY_USER__NAME="x").startswith("user: 'me' is not allowed; expected keys below it")


def test_a_file_that_is_named_must_exist(loads: Loads, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml: there is no such file"):
        loads(PARLEY_CONFIG=str(tmp_path / "absent.yaml"))


def test_a_folder_is_no_configuration(loads: Loads, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not readable"):
        loads(PARLEY_CONFIG=str(tmp_path))


@pytest.mark.parametrize("config", ["user: [me", "user: \tme: x\n\t- y", "a: b: c", "user: \x00"])
def test_what_is_no_yaml_is_told_with_its_place(refusal: Callable[..., str], config: str) -> None:
    assert refusal(config).startswith("config.yaml: not readable as YAML")


def test_bytes_that_are_no_text_are_told(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"user: \xff\xfe")

    with pytest.raises(SettingsError, match=r"^config\.yaml: not readable as YAML"):
        loads()


# Secrets


@pytest.mark.parametrize(
    "config",
    [
        f"engine: {{api_key: [{SECRET}]}}",
        f"bus: {{token: {{a: {SECRET}}}}}",
        f'engine:\n  api_key: "{SECRET}\nuser: me\n',
        f"engine: {{api_key: {SECRET}, backend: gpt}}",
        f"engine: {{api_key: {SECRET}, backend: vllm}}",
        f"engine: {{api_key: {SECRET}, apikey: {SECRET}}}",
        f"bus: {{url: 'http://me:{SECRET}@bus:4222'}}",
        f"engine: {{base_url: 'ftp://me:{SECRET}@host'}}",
        f"bus: 'token {SECRET}'",
    ],
)
def test_a_refusal_shows_no_secret(refusal: Callable[..., str], config: str) -> None:
    assert SECRET not in refusal(config)


def test_settings_show_no_secret(loads: Loads) -> None:
    settings = loads(PARLEY_ENGINE__API_KEY=SECRET, PARLEY_BUS__TOKEN=SECRET)

    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert settings.engine.api_key is not None
    assert settings.engine.api_key.get_secret_value() == SECRET
