"""Names of environment variables that people know from elsewhere, and which keys of the configuration they mean.

Pure: variables in, keys and values out. What a name of Parley's own says (`PARLEY_...`) wins over these.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.errors import InvalidField

Keys = tuple[str, ...]

BASE_URLS: Final = ("VLLM_SERVER_URL", "VLLM_BASE_URL")
MODEL_NAMES: Final = ("VLLM_MODEL_NAME", "CHAT_MODEL_NAME")
BACKEND: Final = "SLM_IMPL"
BACKEND_NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in ("auto", "vllm", "llama.cpp", "openai", "gpt4all", "contextual")},
    **dict.fromkeys(("llama_cpp", "llamacpp", "llama-cpp", "local"), "llama.cpp"),
    **dict.fromkeys(("ollama", "tgi", "lmstudio"), "openai"),
    **dict.fromkeys(("none", "minimal"), "contextual"),
}
WELL_KNOWN: Final[Mapping[str, Keys]] = {
    "NATS_URL": ("bus", "url"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("telemetry", "otlp_endpoint"),
    "HF_TOKEN": ("hf_token",),
    "ENABLE_TRAINING_DATA_COLLECTION": ("training_data",),
    "TRAINING_DATA_DIR": ("training_data_dir",),
    **dict.fromkeys(BASE_URLS, ("engine", "base_url")),
    "VLLM_PORT": ("vllm", "port"),
    "VLLM_SERVER_PORT": ("vllm", "port"),
    "VLLM_GPU_MEMORY": ("vllm", "gpu_memory_utilization"),
    "VLLM_GPU_MEMORY_UTILIZATION": ("vllm", "gpu_memory_utilization"),
    "VLLM_MAX_MODEL_LEN": ("vllm", "max_model_len"),
    "VLLM_TENSOR_PARALLEL_SIZE": ("vllm", "tensor_parallel_size"),
    "CHAT_MAX_TOKENS": ("chat", "max_tokens"),
    "CHAT_TEMPERATURE": ("chat", "temperature"),
    "CHAT_TOP_P": ("chat", "top_p"),
    "CHAT_TOP_K": ("chat", "top_k"),
    "CHAT_REPETITION_PENALTY": ("chat", "repetition_penalty"),
}
"""Of two names for one key the later one here wins; an empty one only where the other is empty too."""


def meant(variables: Mapping[str, str]) -> Iterator[tuple[Keys, str]]:
    """The keys that are set by well-known names, in the order in which they are to be set. Raises InvalidField."""
    told: dict[Keys, str] = {}
    for name, keys in (*WELL_KNOWN.items(), *((name, ("vllm", "model")) for name in MODEL_NAMES)):
        if name in variables:
            told[keys] = variables[name] or told.get(keys, "")
    yield from told.items()
    if any(variables.get(name) for name in BASE_URLS):
        yield ("engine", "backend"), "vllm"  # unless SLM_IMPL says what else listens there
        for name in MODEL_NAMES:
            if variables.get(name):
                yield ("engine", "model"), variables[name]
    if variables.get(BACKEND):
        known = BACKEND_NAMES.get(variables[BACKEND].strip().lower())
        if known is None:
            raise InvalidField(BACKEND, variables[BACKEND], f"one of {', '.join(BACKEND_NAMES)}")
        yield ("engine", "backend"), known
