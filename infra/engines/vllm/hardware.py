"""What this machine can run vLLM on: its NVIDIA GPUs with their driver, and what its processor can do.

GPUs are looked for in two places: `nvidia-smi`, which comes with the driver, tells which ones the driver serves; the
PCI bus under /sys tells of those that no driver serves. The processor's abilities stand in /proc/cpuinfo.
"""

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Variant = Literal["gpu", "cpu"]

OLDEST_DRIVER: Final = (580, 65)  # the first for CUDA 13, which the pinned torch is built for
OLDEST_CAPABILITY: Final = 7.5  # Turing: below it vLLM's kernels are not built
SMI_TIMEOUT_S: Final = 20.0
_SMI: Final = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,driver_version,compute_cap",
    "--format=csv,noheader,nounits",
)
_NVIDIA: Final = "0x10de"
_DISPLAY: Final = "0x03"  # the PCI class of display and 3D controllers


class CannotRun(Exception):
    """vLLM cannot run here in the way that was asked for; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU that a driver serves."""

    name: str
    memory_mib: int
    driver: str
    capability: float  # compute capability, e.g. 9.0; 0: the driver does not tell


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found."""

    system: str  # as sys.platform says it
    processor: str  # as platform.machine() says it
    abilities: frozenset[str]  # the processor's flags, on x86
    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""  # why there are none, though a GPU or its driver is there

    @property
    def kernels(self) -> str:
        """Which of the CPU package's kernels this processor runs."""
        if self.processor not in ("x86_64", "AMD64"):
            return self.processor
        if {"avx512f", "avx512_bf16"} <= self.abilities:
            return "AVX-512 with bfloat16"
        return "AVX-512" if "avx512f" in self.abilities else "AVX2"


def this_machine() -> Machine:
    """Look at this machine; takes some 0.1 s where there is a GPU."""
    gpus, trouble = _gpus()
    return Machine(sys.platform, platform.machine(), _abilities(Path("/proc/cpuinfo")), gpus, trouble)


def chosen(machine: Machine, wanted: Variant | None = None) -> Variant:
    """Which package is to be installed; None leaves the choice to the machine. Raises CannotRun."""
    if machine.system != "linux":
        raise CannotRun(f"vLLM's packages are for Linux, this is {machine.system}; use --engine llama.cpp here")
    if wanted == "cpu":
        return _cpu(machine)
    if not machine.gpus:
        if wanted == "gpu":
            raise CannotRun(f"{machine.trouble or 'no NVIDIA GPU was found (nvidia-smi is not there)'}; or use --cpu")
        return _cpu(machine)
    reason = next((reason for gpu in machine.gpus if (reason := _unfit(gpu))), None)
    if reason is not None:
        raise CannotRun(f"{reason}; or use --cpu")
    return "gpu"


def _unfit(gpu: Gpu) -> str | None:
    numbers = tuple(int(part) for part in gpu.driver.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_DRIVER:
        oldest = ".".join(map(str, OLDEST_DRIVER))
        return f"{gpu.name}: its driver {gpu.driver} is too old for CUDA 13; install driver {oldest} or newer"
    if 0 < gpu.capability < OLDEST_CAPABILITY:
        return f"{gpu.name}: compute capability {gpu.capability} is too old for vLLM, which needs {OLDEST_CAPABILITY}"
    return None


def _cpu(machine: Machine) -> Variant:
    """The CPU package has kernels for AVX-512 and for AVX2 (seen: it chooses by itself), and none below."""
    if machine.processor in ("x86_64", "AMD64"):
        if "avx2" not in machine.abilities:
            raise CannotRun("this processor lacks AVX2, without which vLLM does not run; use --engine llama.cpp here")
    elif machine.processor != "aarch64":
        raise CannotRun(f"there is no vLLM package for {machine.processor} processors; use --engine llama.cpp here")
    return "cpu"


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    if shutil.which(_SMI[0]) is None:
        return (), _without_driver(Path("/sys/bus/pci/devices"))
    try:
        told = subprocess.run(_SMI, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"nvidia-smi does not answer ({type(error).__name__}); is the driver in order?"
    if told.returncode != 0:
        said = " ".join((told.stdout or told.stderr).split())[:160]
        return (), f"the NVIDIA driver does not work: {said or f'nvidia-smi ended with {told.returncode}'}"
    return gpus_in(told.stdout), ""


def gpus_in(table: str) -> tuple[Gpu, ...]:
    """The GPUs in what nvidia-smi printed: name, memory in MiB, driver and compute capability, a line each."""
    found = []
    for line in table.strip().splitlines():
        fields = [field.strip() for field in line.rsplit(",", 3)]
        if len(fields) == 4:
            name, memory, driver, capability = fields
            found.append(Gpu(name, int(_number(memory)), driver, _number(capability)))
    return tuple(found)


def _number(text: str) -> float:
    """Drivers write "[N/A]" for what they do not know, e.g. the memory of a GPU that shares the processor's."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _without_driver(devices: Path) -> str:
    for device in sorted(devices.glob("*")):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            return (
                f"an NVIDIA GPU is there (PCI {device.name}) but no driver: nvidia-smi is missing; install the driver"
            )
    return ""


def _abilities(cpuinfo: Path) -> frozenset[str]:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
