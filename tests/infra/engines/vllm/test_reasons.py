"""Why vLLM did not start: lines of its real logs (0.32), each provoked on a CPU, and those of its GPU code."""

import signal
from pathlib import Path

import pytest

from infra.engines.vllm import reasons
from infra.engines.vllm.reasons import how_far, text_of, why_it_ended

ROOT_CAUSE = "\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
LINES = Path(__file__).with_name("seen_in_logs.txt").read_text().splitlines()
SEEN = [(log, reason.removeprefix("  -> ")) for log, reason in zip(LINES[::2], LINES[1::2], strict=True)]


@pytest.mark.parametrize(("line", "told"), SEEN, ids=range(len(SEEN)))
def test_a_line_of_the_log_becomes_a_reason_with_what_to_do(line: str, told: str) -> None:
    reason = why_it_ended(f"(APIServer pid=7) INFO [model.py:733] Resolved architecture\n{line}{ROOT_CAUSE}", 1)

    assert told in reason.line
    assert "\n" not in reason.line


def test_what_may_pass_is_not_taken_for_lasting() -> None:
    assert why_it_ended("Address already in use", 1).lasting
    assert not why_it_ended("outgoing traffic has been disabled", 1).lasting
    assert not why_it_ended("", -signal.SIGKILL).lasting


def test_a_kill_is_told_as_what_it_most_likely_was() -> None:
    assert "vLLM was killed: most likely the machine ran out of memory" in why_it_ended("", -signal.SIGKILL).line
    log = "ERROR 11-21 [core_client.py:658] Engine core proc EngineCore died unexpectedly, shutting down client."
    assert "one of vLLM's processes was killed" in why_it_ended(log, 1).line


def test_an_unknown_error_is_told_in_its_own_words_and_not_in_its_consequence() -> None:
    log = f"(Worker pid=3) ERROR 11-21 14:56:42 [multiproc_executor.py:953] KeyError: 'weird'{ROOT_CAUSE}"

    assert why_it_ended(log, 1).line == "vLLM did not start (exit status 1): KeyError: 'weird'"
    assert why_it_ended("", 3).line == "vLLM did not start (exit status 3): it said nothing"
    assert "ended (SIGSEGV)" in why_it_ended("INFO:     Application startup complete.", -signal.SIGSEGV).line


def test_only_the_last_start_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{reasons.BEGINS}\nAddress already in use\n{reasons.BEGINS}\nall is well\n")

    assert text_of(log) == "\nall is well\n"
    assert text_of(tmp_path / "absent") == ""


def test_how_far_it_is_follows_the_log() -> None:
    steps = [
        "",
        "INFO [model.py:733] Resolved architecture: LlamaForCausalLM",
        "INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m'",
        "Loading safetensors checkpoint shards: 100% Completed | 1/1",
        "INFO [default_loader.py:501] Loading weights took 1.74 seconds",
        "INFO [kv_cache_utils.py:2327] CPU KV cache size: 46,592 tokens",
        "INFO [entry.py:140] Starting vLLM server on http://127.0.0.1:8731",
    ]
    told = [how_far("\n".join(steps[: number + 1])) for number in range(len(steps))]

    assert len(set(told)) == len(steps)
    assert (told[0], told[-1]) == ("loading libraries", "almost there")


def test_what_happened_before_it_served_is_no_reason_for_its_later_end() -> None:
    log = "Loading lora x failed: No adapter found for /x\nINFO: Application startup complete.\nbusy"

    reason = why_it_ended(log, -9)

    assert reason.line.startswith("vLLM was killed")
    assert not reason.lasting
    out_of_memory = why_it_ended(f"{log}\ntorch.OutOfMemoryError: CUDA out of memory", 1)
    assert out_of_memory.line.startswith("vLLM ended: out of memory on the GPU")
    assert not out_of_memory.lasting
