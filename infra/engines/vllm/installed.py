"""vLLM's own environment: where it lies in the checkout, what is in it, and whether it is whole."""

import hashlib
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.engines.llama_cpp import SMOLLM2, SMOLLM2_NAME
from infra.engines.vllm.hardware import Variant

ROOT: Final = Path(__file__).resolve().parents[3]
CONVERTER: Final = Path(__file__).with_name("gguf_to_safetensors.py")
LOCKS: Final[dict[Variant, str]] = {"cpu": "requirements-vllm-cpu.lock", "gpu": "requirements-vllm-gpu.lock"}
VERSION: Final = "0.32.0"
TORCH_FOR_CPU: Final = "2.13.0+cpu"


class Stamp(BaseModel):
    """What was installed; written last, so that an environment without it is a half-made one."""

    model_config = ConfigDict(frozen=True)

    variant: Variant
    fingerprint: str
    versions: dict[str, str]  # package -> version, of those that a person asks for
    room_mb: int


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of vLLM in one checkout."""

    root: Path = ROOT  # the checkout

    @property
    def folder(self) -> Path:
        return self.root / ".venv-vllm"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.folder / "parley-installed.json"

    @property
    def bundled_model(self) -> Path:
        """The folder with SmolLM2 as vLLM loads it."""
        return self.folder / "models" / SMOLLM2_NAME

    def lock(self, variant: Variant) -> Path:
        return self.root / LOCKS[variant]

    def fingerprint(self, variant: Variant) -> str:
        """Changes with the lock, the converter, the model, this Python, and the place, which the environment holds."""
        told = f"{variant} {sysconfig.get_python_version()} {self.folder.resolve()} {TORCH_FOR_CPU} {SMOLLM2.sha256}"
        digest = hashlib.sha256(told.encode())
        for file in (self.lock(variant), CONVERTER):
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def found(self) -> Stamp | None:
        """What is installed, if it is whole and as this checkout wants it."""
        try:
            stamp = Stamp.model_validate_json(self.stamp.read_bytes())
        except (OSError, ValidationError):
            return None
        whole = self.python.exists() and (self.bundled_model / "config.json").exists()
        return stamp if whole and stamp.fingerprint == self.fingerprint(stamp.variant) else None
