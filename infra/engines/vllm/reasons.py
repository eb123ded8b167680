"""Why vLLM did not start, or ended, read off its log: one line for a person, with what to do.

Every pattern was seen in a log of vLLM 0.32 or stands in its source (those of the GPU). The most telling come first:
a log ends with "Engine core initialization failed. See root cause above", which tells nothing.
"""

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEGINS: Final = "== vLLM is being started"  # said by the guardian, since logs are appended to
READ_BYTES: Final = 400_000  # of the log's end
_SHOWN_CHARS: Final = 220
_STARTED: Final = "Application startup complete"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it ended."""

    line: str
    lasting: bool  # whether it would be the same if it were started again as it is


@dataclass(frozen=True, slots=True)
class _Sign:
    """A pattern in the log, and what it means; {0}, {1} … are the pattern's groups."""

    pattern: str
    means: str
    lasting: bool = True


_HUB: Final = (
    r"(?:We couldn't connect to '\S+' to load the files|outgoing traffic has been disabled|offline mode is enab)"
)
_SIGNS: Final = (
    _Sign(
        r"Address already in use",
        "the port is taken: choose another with --port, or stop who holds it",
    ),
    _Sign(
        r"User-specified max_model_len \((\d+)\) is greater than the derived max_model_len \(\w+=(\d+)",
        "max_model_len: {0} tokens are more than the model can take; set --max-model-len to {1} or less",
    ),
    _Sign(
        r"model's max seq len \((\d+)\), \(([\d.]+) GiB KV cache is needed.*?KV cache memory \(([\d.]+) GiB\)\."
        r"(?: Based on the available memory, the estimated maximum model length is (\d+))?",
        "max_model_len: {0} tokens need {1} GiB of cache and there are {2} GiB; set --max-model-len to {3} or less, or "
        "give the cache more (--gpu-memory-utilization; on a CPU VLLM_CPU_KVCACHE_SPACE, in GiB)",
    ),
    _Sign(
        r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA error: out of memory",
        "out of memory on the GPU: lower --gpu-memory-utilization or --max-model-len, take a smaller or quantised "
        "model, or share it among GPUs with --tensor-parallel-size",
    ),
    _Sign(
        r"Free memory on device (\S+) \(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU memory utilization "
        r"\(([\d.]+)",
        "out of memory on the GPU: {1} of {2} GiB are free on {0}, fewer than --gpu-memory-utilization {3} asks for; "
        "lower it, or end what else uses the GPU",
    ),
    _Sign(
        r"No available memory for the cache blocks",
        "out of memory: the model leaves no room for the cache; raise --gpu-memory-utilization, lower --max-model-len, "
        "or take a smaller or quantised model",
    ),
    _Sign(
        r"Available memory on node \d+ \(([\d.]+)/([\d.]+) GiB\) on kv cache allocation is less than requested memory "
        r"for kv \(([\d.]+)",
        "out of memory: the cache shall have {2} GiB and {0} GiB are free; set VLLM_CPU_KVCACHE_SPACE to fewer GiB",
    ),
    _Sign(
        r"Available memory on node \d+ \(([\d.]+)/([\d.]+) GiB\) on startup is less than desired CPU memory "
        r"utilization \(([\d.]+)",
        "out of memory: {0} of {1} GiB are free, fewer than --gpu-memory-utilization {2} asks for; lower it (on a CPU "
        "it is the share of the machine's memory), or end what else needs memory",
    ),
    _Sign(
        r"DefaultCPUAllocator: can't allocate memory|Cannot allocate memory|MemoryError|std::bad_alloc",
        "out of memory: the model does not fit; take a smaller or quantised one, or lower VLLM_CPU_KVCACHE_SPACE",
    ),
    _Sign(
        r"You are trying to access a gated repo|401 Client Error|Invalid credentials in Authorization header",
        "the model is not given to everybody: accept its licence on the hub, and set HF_TOKEN to your token",
    ),
    _Sign(
        r"(?:'|\")?([\w./-]+)(?:'|\")? is not a local folder and is not a valid model identifier|404 Client Error|"
        r"Repository Not Found",
        "model not found: the hub has none of that name; see its spelling, or set HF_TOKEN if it is private",
    ),
    _Sign(
        _HUB,
        "model not found: it is not on this machine and the hub cannot be reached; is the network there? A folder may "
        "be named instead: --model FOLDER",
        lasting=False,
    ),
    _Sign(
        r"Repo id must be in the form 'repo_name' or 'namespace/repo_name': '([^']+)'",
        "model not found: there is no folder {0}; name one that holds config.json and safetensors, or a hub name",
    ),
    _Sign(
        r"Unknown quantization method: (\S+?)\. Must be one of",
        "quantization: vLLM knows no {0}; among others it knows awq, gptq, fp8, compressed-tensors and bitsandbytes",
    ),
    _Sign(
        r"Quantization method specified in the model config \((\w+)\) does not match the quantization method specified "
        r"in the `quantization` argument \((\w+)\)",
        "quantization: the model is {0}, not {1}; leave --quantization out",
    ),
    _Sign(
        r"Cannot find the config file for (\w+)",
        "quantization: the model was not quantised as {0}; leave --quantization out, or take a model that was",
    ),
    _Sign(
        r"(\S+) quantization is currently not supported in (\w+)|The quantization method (\S+) is not supported",
        "quantization: this machine cannot compute {0}; take a model without it, or another method",
    ),
    _Sign(
        r"_C::(\w*(?:quant|gemm|marlin|awq|gptq)\w*)\(\) expected",
        "quantization: this machine's kernels cannot compute it ({0} is missing); leave --quantization out",
    ),
    _Sign(
        r"model type `([^`]+)` but Transformers does not recognize this architecture",
        "architecture: this vLLM knows no model of type {0}; take a newer vLLM, or another model",
    ),
    _Sign(
        r"Model architectures \[([^\]]+)\] (?:are not supported|failed to be inspected)",
        "architecture: vLLM does not support {0}; take another model",
    ),
    _Sign(
        r"Invalid repository ID or local directory specified: '([^']+)'",
        "model not found: {0} holds no config.json; name the folder with config.json and safetensors",
    ),
    _Sign(
        r"safetensors\S*Error: ([^\n]+)",
        "the model's weights cannot be read ({0}); fetch them again",
    ),
    _Sign(
        r"Cannot find any model weights with|no safetensors weights",
        "the model's folder holds no weights; expected *.safetensors beside config.json",
    ),
    _Sign(
        r"(?:Can't load tokenizer for|Couldn't instantiate the backend tokenizer)[^\n]*",
        "the model has no tokenizer; its folder must hold tokenizer.json",
    ),
    _Sign(
        r"LoRA rank (\d+) is greater than max_lora_rank (\d+)",
        "lora: an adapter has rank {0}; add `-- --max-lora-rank {0}`",
    ),
    _Sign(
        r"Loading lora (\S+) failed: No adapter found for (\S+)",
        "lora: there is no adapter {0} at {1}; name a folder that holds adapter_config.json",
    ),
    _Sign(
        r"error: (unrecognized arguments: [^\n]+|argument [^\n]+)",
        "vLLM refuses a flag: {0}",
    ),
    _Sign(
        r"(?:World size|tensor_parallel_size|Total number of attention heads) \((\d+)\) (?:is larger|must be divisible "
        r"by)[^\n]*?\((\d+)\)",
        "tensor_parallel_size: {0} and {1} do not go together; it must divide the model's attention heads and be no "
        "more than the GPUs that are there",
    ),
    _Sign(
        r"Illegal instruction",
        "this processor lacks instructions that vLLM needs; use --engine llama.cpp here",
    ),
)


def text_of(log: Path) -> str:
    """What a log says since the last start, READ_BYTES at most; empty when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - READ_BYTES))
            return file.read().decode(errors="replace").rpartition(BEGINS)[2]
    except OSError:
        return ""


def why_it_ended(log: str, status: int) -> Reason:
    """The reason for a process that ended with this exit status; negative is the signal that ended it."""
    before, served, since = log.partition(_STARTED)
    for sign in _SIGNS:
        if found := re.search(sign.pattern, since if served else before):
            groups = [group or "fewer tokens" for group in found.groups()]
            verb = "ended" if served else "did not start"
            return Reason(f"vLLM {verb}: {sign.means.format(*groups)}", sign.lasting and not served)
    if status == -signal.SIGKILL or "Killed" in log[-2_000:]:
        return Reason("vLLM was killed: most likely the machine ran out of memory; take a smaller model", False)
    if "died unexpectedly" in log or re.search(r"Failed core proc\(s\): \{[^}]*-9", log):
        return Reason(
            "one of vLLM's processes was killed: most likely the machine ran out of memory; take a smaller model", False
        )
    if status == -signal.SIGILL:
        return Reason("this processor lacks instructions that vLLM needs; use --engine llama.cpp here", True)
    verb = "ended" if _STARTED in log else "did not start"
    return Reason(f"vLLM {verb} ({_how(status)}): {_last_error(log)}", False)


def _how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _last_error(log: str) -> str:
    """The last line that names an error and is not only the consequence of another."""
    errors = [
        line
        for line in log.splitlines()
        if re.match(r"(?:\([^)]*\) ERROR [^]]*\] )?[\w.]*(?:Error|Exception): ", line)
        and "root cause above" not in line
    ]
    lines = errors or [line for line in log.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    text = re.sub(r"^\([^)]*\) ERROR [^]]*\] ", "", lines[-1])
    return text[:_SHOWN_CHARS]


_STEPS: Final = (
    (r"Starting vLLM server on|Application startup complete", "almost there"),
    (r"init engine \(profile|KV cache size: ([\d,]+) tokens", "warming up"),
    (r"Loading weights took|Loading model weights took", "making room for the cache"),
    (r"Loading safetensors checkpoint shards: +(\d+%)", "loading the weights"),
    (r"Starting to load model|Loading weights from|Loading drafter", "loading the weights"),
    (r"Initializing a V1 LLM engine", "starting the engine"),
    (r"Downloading|Fetching \d+ files", "fetching the model from the hub"),
    (r"Resolved architecture", "reading the model's configuration"),
)


def how_far(log: str) -> str:
    """What vLLM is doing while it starts, for a line of progress."""
    return next((step for pattern, step in _STEPS if re.search(pattern, log)), "loading libraries")
