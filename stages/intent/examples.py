"""Reads the written examples that the head is trained from: stages/intent/examples/<label>.txt, one a line.

Lines that are empty or begin with '#' are passed over. Knows no model.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import InvalidField
from schemas.intents import IntentLabel

EXAMPLES: Final = Path(__file__).parent / "examples"
MIN_EXAMPLES: Final = 10  # a label; fewer say nothing about how people speak


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts with their labels, and the SHA-256 of all of them."""

    texts: tuple[str, ...]
    labels: tuple[IntentLabel, ...]
    sha256: str


def read_examples(folder: Path = EXAMPLES) -> Examples:
    """All examples of a folder. Raises InvalidField when a label's file is missing, short or repeats another's line."""
    texts: list[str] = []
    labels: list[IntentLabel] = []
    for label in IntentLabel:
        path = folder / f"{label.value}.txt"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidField(
                f"examples/{path.name}", str(path), "a readable text file of examples, one a line, in UTF-8"
            ) from error
        kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if len(kept) < MIN_EXAMPLES:
            raise InvalidField(f"examples/{path.name}", f"{len(kept)} lines", f"at least {MIN_EXAMPLES} examples")
        texts += kept
        labels += [label] * len(kept)
    _refuse_contradictions(texts, labels)
    return Examples(tuple(texts), tuple(labels), _sha256(texts, labels))


def _refuse_contradictions(texts: Sequence[str], labels: Sequence[IntentLabel]) -> None:
    seen: dict[str, IntentLabel] = {}
    for text, label in zip(texts, labels, strict=True):
        folded = text.casefold().rstrip(".!? ")
        if seen.setdefault(folded, label) != label:
            raise InvalidField("examples", text, f"one label, not {seen[folded].value} and {label.value}")


def _sha256(texts: Sequence[str], labels: Sequence[IntentLabel]) -> str:
    digest = hashlib.sha256()
    for text, label in zip(texts, labels, strict=True):
        digest.update(f"{label.value}\t{text}\n".encode())
    return digest.hexdigest()
