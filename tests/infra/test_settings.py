"""What can be configured: who wins over whom, and that every mistake is one line that teaches."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from infra.settings import Settings, SettingsError, checked_prompts, load

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


def test_each_key_has_an_example_there_that_can_be_used_as_it_stands(loads: Loads, tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8")
    used = re.sub(r"^#( *)(?=[a-z0-9_-]+: )", lambda found: found[1] if len(found[1]) > 1 else "", shipped, flags=re.M)
    used = used.replace(": {} ", ": ").replace(": {}\n", ":\n").replace("backend: auto", "backend: openai")
    used = used.replace("auth: none", "auth: jwt")
    (tmp_path / "my-prompts").mkdir()
    (tmp_path / "my-key").write_text("k")

    settings = loads(used)

    assert settings.roles["rank"] == ("bge",)
    assert settings.models["bge"].port == "score"
    assert settings.hf_token is not None
    assert settings.prices["qwen3-32b"].completion == Decimal("1.2")
    sections = [section for section in vars(settings).values() if isinstance(section, BaseModel)]
    left_out = {
        name for section in [settings, *sections] for name in type(section).model_fields if f"{name}:" not in used
    }
    assert left_out <= {"tenant"}


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


def test_vllm_without_an_address_is_one_that_is_started_here(loads: Loads) -> None:
    settings = loads("engine: {backend: vllm}\nvllm: {lora: {french: adapters/french}, extra_args: [--seed, '1']}")

    assert (settings.engine.base_url, settings.vllm.model) == (None, None)
    assert settings.vllm.lora == {"french": Path("adapters/french")}
    assert settings.vllm.extra_args == ("--seed", "1")
    assert loads(PARLEY_VLLM__PORT="8001").vllm.port == 8001


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
    "unknown key": ("usr: me", "usr: there is no such key; expected one of audio, blobs, bus, chat, currency, "),
    "unknown key below": ("stt: {bakend: x}", "stt.bakend: there is no such key; expected one of backend, beam, "),
    "wrong word": ("stt: {backend: siri}", "stt.backend: 'siri' is not allowed; expected 'whisper'"),
    "no number": ("stt: {beam: many}", "stt.beam: 'many' is not allowed; expected a valid integer"),
    "too small": ("turn: {timeout_s: 0}", "turn.timeout_s: 0 is not allowed; expected greater than or equal to 1"),
    "too large": ("turn: {timeout_s: 9999}", "turn.timeout_s: 9999 is not allowed; expected less than or "),
    "not finite": ("turn: {timeout_s: .nan}", "turn.timeout_s: nan is not allowed; expected "),
    "removed before it is archived": (
        "log: {keep_days: 7}",
        "log.keep_days: 7 is not allowed; expected more than archive_after_days (7)",
    ),
    "removed, never archived": (
        "log: {keep_mb: 100, archive_after_days: }",
        "log.keep_mb: 100 is not allowed; expected nothing, or a number for archive_after_days too",
    ),
    "no days": ("log: {archive_after_days: -1}", "log.archive_after_days: -1 is not allowed; expected greater than"),
    "no room": ("log: {keep_mb: 0}", "log.keep_mb: 0 is not allowed; expected greater than or equal to 1"),
    "sound kept and not": (
        "audio: {keep: false, keep_days: 3}",
        "audio.keep_days: 3 is not allowed; expected nothing, since keep is false",
    ),
    "no section": ("stt: whisper", "stt: 'whisper' is not allowed; expected "),
    "a list": ("[1, 2]", "config.yaml: holds [1, 2]; expected keys and values such as `user: me`"),
    "no zone": ("time_zone: Mars/Base", "time_zone: 'Mars/Base' is not allowed; expected an IANA name such as "),
    "a path as zone": ("time_zone: ../x", "time_zone: '../x' is not allowed; expected an IANA name such as "),
    "no currency": ("currency: dollars", "currency: 'dollars' is not allowed; expected "),
    "a price below nothing": (
        "prices: {qwen: {prompt: -1, completion: 1}}",
        "prices.qwen.prompt: -1 is not allowed; expected greater than or equal to 0",
    ),
    "half a price": (
        "prices: {qwen: {prompt: 1}}",
        "prices.qwen.completion: (missing) is not allowed; expected a value",
    ),
    "a price in what is no currency": (
        "prices: {qwen: {prompt: 1, completion: 1, currency: coins}}",
        "prices.qwen.currency: 'coins' is not allowed; expected three capital letters",
    ),
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
    "a server without address": (
        "engine: {backend: openai}",
        "engine.base_url: None is not allowed; expected its address",
    ),
    "a vllm without model": (
        "engine: {backend: vllm, base_url: 'http://x'}",
        "engine.model: None is not allowed; expected its name there (engine.model, or VLLM_MODEL_NAME in ",
    ),
    "no port": ("vllm: {port: 70000}", "vllm.port: 70000 is not allowed; expected less than or equal to 65535"),
    "too much memory": ("vllm: {gpu_memory_utilization: 90}", "vllm.gpu_memory_utilization: 90 is not allowed; expect"),
    "no length": ("vllm: {max_model_len: 4k}", "vllm.max_model_len: '4k' is not allowed; expected a valid integer"),
    "no type": ("vllm: {dtype: int3}", "vllm.dtype: 'int3' is not allowed; expected 'auto', 'float16', "),
    "a server without model": (
        "engine: {backend: openai, base_url: 'http://x'}",
        "engine.model: None is not allowed; expected its name there (engine.model, or VLLM_MODEL_NAME in ",
    ),
    "gpt4all without a model": (
        "engine: {backend: gpt4all}",
        "engine.model: None is not allowed; expected a GGUF file, since backend is gpt4all",
    ),
    "a backend that does not exist": (
        "engine: {backend: gpt5all}",
        "engine.backend: 'gpt5all' is not allowed; expected 'auto', 'llama.cpp', 'gpt4all', 'openai', 'vllm' or",
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
        f"engine: {{api_key: {SECRET}, backend: openai}}",
        f"engine: {{api_key: {SECRET}, apikey: {SECRET}}}",
        f"bus: {{url: 'http://me:{SECRET}@bus:4222'}}",
        f"engine: {{base_url: 'ftp://me:{SECRET}@host'}}",
        f"bus: 'token {SECRET}'",
        f"gateway: {{key: {SECRET}}}",
        f"gateway: {{key: [{SECRET}]}}",
        f"gateway: '{SECRET}'",
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


# Models by name, and roles

MODELS = """
models:
  big: {backend: vllm, base_url: "http://gpu:8000/v1", model: Qwen, temperature: 0.5, first_token_timeout_s: 5}
  small: {backend: openai, base_url: "http://127.0.0.1:11434", model: phi}
  bge: {backend: vllm, base_url: "http://gpu:8001", model: bge-reranker-base, port: score}
  here: {backend: minilm, port: embed}
"""


def test_models_have_names_and_roles_list_them(loads: Loads) -> None:
    settings = loads(MODELS + "default_model: big\nroles: {intent: [small, shared], rank: [bge, here]}\n")

    assert settings.engines_of("chat") == ("big",)
    assert settings.engines_of("intent") == ("small", "shared")
    assert settings.engines_of("rank") == ("bge", "here")
    assert settings.models["big"].temperature == 0.5
    assert settings.models["big"].first_token_timeout_s == 5


def test_without_any_all_roles_have_the_shared_engine_and_nobody_ranks(loads: Loads) -> None:
    assert loads().engines_of("chat") == ("shared",)
    assert loads().engines_of("rank") == ()


def test_roles_and_models_can_be_set_in_the_environment(loads: Loads) -> None:
    settings = loads(
        PARLEY_MODELS__TINY__BACKEND="openai",
        PARLEY_MODELS__TINY__BASE_URL="http://127.0.0.1:1234",
        PARLEY_MODELS__TINY__MODEL="tiny",
        PARLEY_ROLES__CHAT="tiny, shared",
    )
    assert settings.engines_of("chat") == ("tiny", "shared")


def test_minimal_mode_asks_no_model_whatever_is_named(loads: Loads) -> None:
    settings = loads(MODELS + "default_model: big\nroles: {rank: [bge]}\n", MINIMAL_MODE="true")

    assert {settings.engines_of(role) for role in ("chat", "intent", "slots", "summarise", "judge")} == {
        ("contextual",)
    }
    assert settings.engines_of("rank") == ()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("default_model: huge", ("default_model: 'huge'", "shared, contextual, big, small")),
        ("roles: {chat: [bge]}", ("roles.chat: 'bge'", "generate", "big")),
        ("roles: {rank: [contextual]}", ("roles.rank: 'contextual'", "score or embed or generate: shared, big, small")),
        ("roles: {poetry: [big]}", ("roles.poetry", "chat, intent, slots")),
        ("roles: {chat: 3}", ("roles.chat",)),
    ],
)
def test_a_role_that_cannot_be_filled_is_told(refusal: Callable[..., str], config: str, words: tuple[str, ...]) -> None:
    line = refusal(MODELS + config)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("{backend: vlm}", ("models.a.backend", "'vlm'", "'vllm', 'llama.cpp', 'openai'")),
        ("{backend: vllm, model: m}", ("models.a.base_url", "None")),
        ("{backend: vllm, base_url: 'http://x'}", ("models.a.model", "None")),
        (
            "{backend: vllm, base_url: 'http://x', model: m, modle: m}",
            ("models.a.modle: there is no such key", "model,"),
        ),
        ("{backend: minilm}", ("models.a.port", "embed or score")),
        ("{backend: vllm, base_url: 'gpu:8000', model: m}", ("models.a.base_url", "http://")),
    ],
)
def test_a_model_that_cannot_be_is_told(refusal: Callable[..., str], model: str, words: tuple[str, ...]) -> None:
    line = refusal(f"models: {{a: {model}}}")
    assert all(word in line for word in words), line


@pytest.mark.parametrize("name", ["shared", "contextual", "Big Model"])
def test_a_models_name_is_a_plain_word_of_its_own(refusal: Callable[..., str], name: str) -> None:
    assert f"models.{name}" in refusal(f"models: {{{name}: {{backend: minilm, port: embed}}}}")


def test_a_refused_model_shows_no_key(refusal: Callable[..., str]) -> None:
    assert SECRET not in refusal(f"models: {{a: {{backend: vllm, api_key: {SECRET}, model: m}}}}")


# Names that people know from elsewhere


def test_the_names_of_other_vllm_services_are_understood(loads: Loads) -> None:
    settings = loads(
        SLM_IMPL="vllm",
        VLLM_BASE_URL="http://localhost:8000/v1",
        VLLM_MODEL_NAME="Qwen2.5",
        CHAT_MAX_TOKENS="150",
        CHAT_TEMPERATURE="0.7",
        CHAT_TOP_P="0.9",
        CHAT_TOP_K="50",
        CHAT_REPETITION_PENALTY="1.1",
        HF_TOKEN=SECRET,
    )
    engine, chat = settings.engine, settings.chat
    assert (engine.backend, engine.base_url, engine.model) == ("vllm", "http://localhost:8000/v1", "Qwen2.5")
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.top_k, chat.repetition_penalty) == (
        *(150, 0.7, 0.9, 50),
        1.1,
    )
    assert settings.hf_token is not None
    assert SECRET not in repr(settings)


def test_an_address_of_vllm_alone_means_vllm_and_the_chats_model_wins(loads: Loads) -> None:
    engine = loads(VLLM_SERVER_URL="http://localhost:8001", VLLM_MODEL_NAME="a", CHAT_MODEL_NAME="b").engine
    assert (engine.backend, engine.base_url, engine.model) == ("vllm", "http://localhost:8001", "b")


@pytest.mark.parametrize(("said", "meant"), [("llama_cpp", "llama.cpp"), ("none", "contextual"), ("AUTO", "auto")])
def test_other_words_for_a_backend_are_understood(loads: Loads, said: str, meant: str) -> None:
    assert loads(SLM_IMPL=said).engine.backend == meant


def test_another_word_for_the_server_behind_an_address_is_understood(loads: Loads) -> None:
    engine = loads(SLM_IMPL="ollama", VLLM_BASE_URL="http://localhost:11434", CHAT_MODEL_NAME="phi").engine
    assert (engine.backend, engine.model) == ("openai", "phi")


def test_an_unknown_backend_is_refused_with_those_that_exist(refusal: Callable[..., str]) -> None:
    line = refusal(SLM_IMPL="triton")
    assert line.startswith("SLM_IMPL: 'triton'")
    assert "vllm, llama.cpp, openai" in line


def test_parleys_own_names_win_over_others_and_minimal_mode_over_all(loads: Loads) -> None:
    own = {"PARLEY_ENGINE__BACKEND": "llama.cpp", "PARLEY_ENGINE__BASE_URL": "http://127.0.0.1:1"}
    assert loads(SLM_IMPL="vllm", VLLM_BASE_URL="http://x", VLLM_MODEL_NAME="m", **own).engine.backend == "llama.cpp"
    assert loads(
        SLM_IMPL="vllm", VLLM_BASE_URL="http://x", VLLM_MODEL_NAME="m", MINIMAL_MODE="true"
    ).engine.backend == ("contextual")


def test_a_key_may_lie_in_a_file_of_its_own(loads: Loads, refusal: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    model = f"models: {{big: {{backend: openai, base_url: 'http://x', model: m, api_key_file: {file}%s}}}}"

    assert loads(model % "").models["big"].key == SECRET
    assert loads(model % ", api_key: other").models["big"].key == "other"
    assert SECRET not in repr(loads(model % ""))
    assert loads(PARLEY_ENGINE__API_KEY_FILE=str(file)).engine.key == SECRET

    file.write_text("")
    expected = "expected a file that can be read and holds the key"
    assert refusal(model % "") == f"models.big.api_key_file: '{file}' is not allowed; {expected}"
    assert refusal("engine: {api_key_file: nowhere}") == f"engine.api_key_file: 'nowhere' is not allowed; {expected}"


@pytest.mark.parametrize("key", ["with space", "schlüssel", "line\nbreak"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(refusal: Callable[..., str], key: str) -> None:
    line = refusal(PARLEY_ENGINE__API_KEY=key)
    expected = "printable ASCII without white space: it is sent in a header"
    assert line == f"engine.api_key: (hidden) is not allowed; expected {expected}"


def test_white_space_around_a_key_is_not_part_of_it(loads: Loads) -> None:
    assert loads(f"engine:\n  api_key: |\n    {SECRET}\n").engine.key == SECRET


def test_a_missing_field_is_told_without_what_stands_beside_it(refusal: Callable[..., str]) -> None:
    line = refusal(f"models: {{big: {{model: y, api_key: {SECRET}}}}}")
    assert line.startswith(
        "models.big.backend: (missing) is not allowed; expected one of 'vllm', 'llama.cpp', 'openai'"
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://[::1", "http://", "ftp://x", "http://a b", "http://x:0"]
)
def test_an_address_that_is_none_is_refused(refusal: Callable[..., str], url: str) -> None:
    assert refusal(PARLEY_ENGINE__BASE_URL=url).startswith(
        f"engine.base_url: '{url}' is not allowed; expected an address"
    )


def test_lists_and_mappings_may_be_json_in_the_environment(loads: Loads, refusal: Callable[..., str]) -> None:
    models = '{"big": {"backend": "openai", "base_url": "http://x", "model": "m"}}'
    settings = loads(PARLEY_MODELS=models, PARLEY_ROLES='{"chat": ["big"]}', PARLEY_VLLM__EXTRA_ARGS='["--seed", "1"]')
    assert settings.roles == {"chat": ("big",)}
    assert settings.vllm.extra_args == ("--seed", "1")
    assert loads(PARLEY_MODELS=models, PARLEY_ROLES__CHAT='["big", "shared"]').roles["chat"] == ("big", "shared")
    assert refusal(PARLEY_MODELS="{broken").startswith("models: a value that is no JSON; expected such as {")


def test_a_section_with_nothing_below_it_is_one_with_its_defaults(loads: Loads) -> None:
    assert loads("models:\nroles:\nengine:\nvllm:\n") == loads()


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("models: [a]", "models: (hidden) is not allowed; expected keys and values below it"),
        ("models: {big: hello}", "models.big: (hidden) is not allowed; expected keys and values below it"),
        ("vllm: {extra_args: --seed 1}", "vllm.extra_args: '--seed 1' is not allowed; expected a list, such as"),
        (
            "roles: {chat: [contextual, shared]}",
            "roles.chat: 'contextual, shared' is not allowed; expected contextual at",
        ),
    ],
)
def test_a_value_of_another_kind_is_told_in_words_of_a_configuration(
    refusal: Callable[..., str], config: str, line: str
) -> None:
    assert refusal(config).startswith(line)


def test_an_empty_name_leaves_what_its_other_name_says(loads: Loads) -> None:
    settings = loads(
        VLLM_SERVER_URL="http://h", VLLM_BASE_URL="", VLLM_MODEL_NAME="m", CHAT_MODEL_NAME="", VLLM_PORT="81"
    )
    assert (settings.engine.base_url, settings.engine.model, settings.vllm.model) == ("http://h", "m", "m")
    assert loads(VLLM_PORT="81", VLLM_SERVER_PORT="").vllm.port == 81


def test_a_folder_of_prompts_is_looked_for_at_the_start_only(loads: Loads) -> None:
    settings = loads("prompts: gone")
    with pytest.raises(SettingsError, match="prompts: 'gone' is not allowed; expected a folder that exists"):
        checked_prompts(settings)
