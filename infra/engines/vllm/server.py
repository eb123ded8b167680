"""How vLLM's server is to be run: its command line and its environment. Starts nothing."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.engines.llama_cpp import HOST, SMOLLM2_NAME, cores, usual_threads
from infra.engines.vllm.installed import Environment
from schemas.errors import InvalidField

USUAL_PORT: Final = 8000
CACHE_GB: Final = 2  # for the KV cache on a CPU, where vLLM would take most of the memory: 90,000 tokens of SmolLM2
API_KEY_VARIABLE: Final = "VLLM_API_KEY"
CACHE_VARIABLE: Final = "VLLM_CPU_KVCACHE_SPACE"
BIND_VARIABLE: Final = "VLLM_CPU_OMP_THREADS_BIND"
# vLLM ties its threads to cores, beginning with the first: on a small machine it then waits for whoever else has just
# that core, a second vLLM for instance, while another is idle. With more cores it does well.
FEW_CORES: Final = 4
# vLLM's own server module: the command `vllm` looks for a distribution of that name, which the CPU package has not.
MODULE: Final = "vllm.entrypoints.openai.api_server"
_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
LORA_RANKS: Final = (16, 32, 64, 128, 256, 320, 512)  # that vLLM can be told, from its default on
_LORA_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Names by which users configure Parley. VLLM_PORT means another port to vLLM itself, the others it complains about.
OURS: Final = frozenset(
    {
        *("VLLM_PORT", "VLLM_SERVER_PORT", "VLLM_BASE_URL", "VLLM_SERVER_URL", "VLLM_MODEL_NAME", "VLLM_MAX_MODEL_LEN"),
        *("VLLM_GPU_MEMORY", "VLLM_GPU_MEMORY_UTILIZATION", "VLLM_TENSOR_PARALLEL_SIZE", API_KEY_VARIABLE),
    }
)


@dataclass(frozen=True, slots=True)
class VllmServer:
    """One server. What is None is left to vLLM."""

    environment: Environment
    port: int
    on_cpu: bool
    model: str | None = None  # a folder, a hub name; None: the bundled SmolLM2
    max_model_len: int | None = None  # tokens of prompt and answer
    gpu_memory_utilization: float | None = None  # of the GPU's memory, 0 to 1
    tensor_parallel_size: int | None = None  # GPUs that share one model
    lora: Mapping[str, Path] = field(default_factory=dict)  # adapters: name -> folder
    quantization: str | None = None
    dtype: str | None = None  # None: bfloat16 on a CPU, the model's own on a GPU
    enforce_eager: bool | None = None  # no compilation: starts sooner, answers a little slower; None: on a CPU
    pooling: bool = False  # for models that embed or rank
    extra: tuple[str, ...] = ()  # handed through
    hf_token: str | None = field(default=None, repr=False)  # for hub models that are not open to everybody

    @property
    def model_path(self) -> Path | None:
        """The model's folder; None when it is named as on the hub."""
        if self.model is None:
            return self.environment.bundled_model
        path = Path(self.model).expanduser()
        return path if path.exists() or self.model.startswith((".", "/", "~")) else None

    @property
    def model_name(self) -> str:
        """The model's name as clients must ask for it."""
        if self.model is None:
            return SMOLLM2_NAME
        path = self.model_path
        return path.resolve().name if path is not None else self.model

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def checked(self) -> "VllmServer":
        """This, if it can be at all. Raises InvalidField, which names the setting."""
        path = self.model_path
        if path is None and not _HUB_NAME.fullmatch(self.model or ""):
            raise InvalidField("vllm.model", self.model, "a folder that exists or a hub name such as Qwen/Qwen3-4B")
        if path is not None and path.suffix == ".gguf":
            raise InvalidField("vllm.model", self.model, "a folder with safetensors; GGUF files are for llama.cpp")
        if path is not None and not (path / "config.json").is_file():
            raise InvalidField("vllm.model", str(path), "a folder that holds config.json and safetensors")
        for name in self.lora:
            if not _LORA_NAME.fullmatch(name):
                raise InvalidField("vllm.lora", name, "a name of letters, digits, dot, dash and underscore")
        self._rank()
        return self

    def command(self) -> list[str]:
        """The command line. The key is not in it, since everybody on the machine can read it."""
        path = self.model_path
        line = [str(self.environment.python), "-I", "-m", MODULE]
        line += ["--model", str(path.resolve()) if path is not None else str(self.model)]
        line += ["--served-model-name", self.model_name, "--host", HOST, "--port", str(self.port)]
        dtype = self.dtype or ("bfloat16" if self.on_cpu and not self.pooling else None)
        for flag, value in (
            ("--max-model-len", self.max_model_len),
            ("--gpu-memory-utilization", self.gpu_memory_utilization),
            ("--tensor-parallel-size", self.tensor_parallel_size),
            ("--quantization", self.quantization),
            ("--dtype", dtype),
        ):
            line += [flag, str(value)] if value is not None else []
        line += ["--enforce-eager"] if (self.on_cpu if self.enforce_eager is None else self.enforce_eager) else []
        if self.pooling:
            line += ["--runner", "pooling"]
        else:
            line += ["--scheduling-policy", "priority"]
        if self.lora:
            line += ["--enable-lora", "--max-loras", str(len(self.lora)), "--max-lora-rank", str(self._rank())]
            line += ["--lora-modules", *(f"{name}={folder.resolve()}" for name, folder in self.lora.items())]
        return [*line, *self.extra]

    def _rank(self) -> int:
        """The smallest rank that vLLM can be told and that all adapters fit into. Raises InvalidField."""
        ranks = {name: _rank_of(name, folder) for name, folder in self.lora.items()}
        if not ranks:
            return LORA_RANKS[0]
        highest = max(ranks, key=lambda name: ranks[name])
        for rank in LORA_RANKS:
            if ranks[highest] <= rank:
                return rank
        expected = f"an adapter of rank {LORA_RANKS[-1]} at most; its r is {ranks[highest]}"
        raise InvalidField(f"vllm.lora.{highest}", str(self.lora[highest]), expected)

    def variables(self, api_key: str, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment: what this process has, less what is meant for Parley, plus the key."""
        around = os.environ if inherited is None else inherited
        kept = {name: value for name, value in around.items() if name not in OURS and not name.startswith("PARLEY_")}
        kept |= {API_KEY_VARIABLE: api_key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        if "--kv-cache-memory-bytes" in self.extra:
            kept.pop(CACHE_VARIABLE, None)  # to vLLM the variable would win over the flag
        elif self.on_cpu:
            kept.setdefault(CACHE_VARIABLE, str(CACHE_GB))
        if self.on_cpu and cores() <= FEW_CORES and BIND_VARIABLE not in kept:
            kept[BIND_VARIABLE] = "nobind"
            kept.setdefault("OMP_NUM_THREADS", str(usual_threads(cores())))
        if self.hf_token:
            kept["HF_TOKEN"] = self.hf_token
        if self.model_path is not None:
            kept["HF_HUB_OFFLINE"] = "1"  # all is here: nothing is asked of the hub
        return kept


def _rank_of(name: str, folder: Path) -> int:
    """The rank of an adapter, which peft writes into its folder. Raises InvalidField."""
    try:
        return int(json.loads((folder / "adapter_config.json").read_bytes())["r"])
    except (OSError, ValueError, KeyError, TypeError):
        expected = "a folder that holds adapter_config.json, with its rank as `r`"
        raise InvalidField(f"vllm.lora.{name}", str(folder), expected) from None
