"""Measures the intent stage on labelled utterances: accuracy, confusions, time. Acts on nothing.

Reads JSON lines `{"text": ..., "intents": ["create_note", ...]}` (or `"intent"`, `"label"`: one label) and CSV files
with the columns `text` and `intent` (or `label`, `intents`; several labels joined by `+`).
"""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from schemas.errors import InvalidField
from schemas.intents import IntentLabel
from stages.intent.classify import IntentGiven, classify

SAID_AT: Final = datetime(2026, 3, 4, 9, 20, tzinfo=UTC)  # labels do not depend on it; fixed, so that runs are alike
_LABEL_FIELDS: Final = ("intents", "intent", "label", "labels")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text and the labels that it has, in order."""

    text: str
    labels: tuple[IntentLabel, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found for an utterance."""

    utterance: Utterance
    found: tuple[IntentLabel, ...]
    decided_by: tuple[str, ...]
    took_s: float

    @property
    def right(self) -> bool:
        return self.found == self.utterance.labels


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes; figures are of exact label sequences."""

    outcomes: tuple[Outcome, ...]

    def accuracy(self, several: bool | None = None) -> tuple[int, int]:
        """(right, all): of everything, or of the lines with one label (False) or several (True)."""
        chosen = [o for o in self.outcomes if several is None or (len(o.utterance.labels) > 1) is several]
        return sum(o.right for o in chosen), len(chosen)

    def confusion(self) -> Mapping[tuple[str, str], int]:
        """How often one label was taken for another, on lines with one label; "(several)": it was cut into parts."""
        pairs = (
            (o.utterance.labels[0].value, o.found[0].value if len(o.found) == 1 else "(several)")
            for o in self.outcomes
            if len(o.utterance.labels) == 1
        )
        return Counter(pairs)

    def as_text(self) -> str:
        """Figures and the confusion table, in plain columns."""
        lines = []
        for name, several in (("all lines", None), ("one intent", False), ("several intents", True)):
            right, count = self.accuracy(several)
            if count:
                lines.append(f"{name:16s} {right:4d} of {count:4d}  {right / count:.3f}")
        by = Counter(by for o in self.outcomes for by in o.decided_by)
        lines.append("decided by       " + ", ".join(f"{name} {count}" for name, count in by.most_common()))
        times = sorted(o.took_s * 1000 for o in self.outcomes)
        if times:
            p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
            lines.append(f"time             p50 {times[len(times) // 2]:.1f} ms, p95 {p95:.1f} ms an utterance")
        return "\n".join([*lines, "", *_table(self.confusion())])


def read_utterances(path: Path) -> list[Utterance]:
    """The labelled utterances of a JSONL or CSV file. Raises InvalidField, which names the line."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField("file", str(path), "a readable JSONL or CSV file in UTF-8") from error
    rows = _csv_rows(content) if path.suffix.lower() == ".csv" else _json_rows(path, content)
    found = [_utterance(f"{path.name}:{number}", row) for number, row in rows]
    if not found:
        raise InvalidField("file", str(path), "at least one utterance")
    return found


async def evaluate(utterances: Iterable[Utterance], given: IntentGiven, ask_limit_s: float = 0.0) -> Report:
    """Classify every utterance. With `ask_limit_s` above 0 the engine is asked when the head is in doubt."""
    outcomes = []
    for utterance in utterances:
        deadline = datetime.now(UTC) + timedelta(seconds=ask_limit_s) if ask_limit_s > 0 else None
        started = time.perf_counter()
        intents = await classify(utterance.text, SAID_AT, "UTC", given, deadline)
        took_s = time.perf_counter() - started
        found = tuple(intent.label for intent in intents)
        outcomes.append(Outcome(utterance, found, tuple(intent.decided_by for intent in intents), took_s))
    return Report(tuple(outcomes))


def _json_rows(path: Path, content: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise InvalidField(f"{path.name}:{number}", line, "one JSON object a line") from None
        if not isinstance(row, dict):
            raise InvalidField(f"{path.name}:{number}", line, "a JSON object with text and intents")
        yield number, row


def _csv_rows(content: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, row in enumerate(csv.DictReader(content.splitlines()), 2):
        yield number, dict(row)


def _utterance(where: str, row: Mapping[str, object]) -> Utterance:
    text = row.get("text")
    if not isinstance(text, str):
        raise InvalidField(f"{where}.text", text, "the utterance as text")
    stated = next((row[name] for name in _LABEL_FIELDS if row.get(name)), None)
    names = stated.split("+") if isinstance(stated, str) else stated
    if not isinstance(names, list) or not names:
        raise InvalidField(f"{where}.intents", stated, "one or several labels")
    return Utterance(text, tuple(_label(where, name) for name in names))


def _label(where: str, name: object) -> IntentLabel:
    try:
        return IntentLabel(str(name).strip())
    except ValueError:
        raise InvalidField(f"{where}.intents", name, f"one of {', '.join(IntentLabel)}") from None


def _table(confusion: Mapping[tuple[str, str], int]) -> list[str]:
    """Rows: what it was; columns: what it was taken for, numbered in the order of the rows."""
    labels: Sequence[str] = [label.value for label in IntentLabel]
    columns = [*labels, "(several)"]
    head = " ".join(f"{number:>3d}" for number in range(1, len(labels) + 1))
    lines = [f"{'':21s}{head} sev  recall"]
    for number, label in enumerate(labels, 1):
        counts = [confusion.get((label, column), 0) for column in columns]
        total = sum(counts)
        recall = f"{counts[number - 1] / total:.2f}" if total else "  - "
        cells = " ".join(f"{count or '.':>3}" for count in counts)
        lines.append(f"{number:2d} {label:18s}{cells}  {recall}")
    return lines
