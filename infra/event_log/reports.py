"""The ready questions, one SQL file each in reports/, with what they are called and the parameters that they take.

Each file begins with `-- title:` and `-- says:` and takes $run, $since (a time) and $conversation (NULL: all).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from infra.event_log.port import Parameter
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN

FOLDER: Final = Path(__file__).parent / "reports"
_HEAD = re.compile(r"-- title: (?P<title>.+)\n-- says: (?P<says>.+)\n")
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Report:
    """One ready question."""

    name: str
    title: str
    says: str
    sql: str

    def parameters(
        self, *, run: str = LIVE_RUN, since: datetime = EVER, conversation: str | None = None
    ) -> Mapping[str, Parameter]:
        """What to ask it with."""
        return {"run": run, "since": since, "conversation": conversation}


@cache
def names() -> tuple[str, ...]:
    """All reports there are, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


def report(name: str) -> Report:
    """A report by its name. Raises InvalidField when there is none, or its file does not begin as it should."""
    if name not in names():
        raise InvalidField("report", name, f"one of {', '.join(names())}")
    sql = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    head = _HEAD.match(sql)
    if head is None:
        raise InvalidField(f"reports/{name}.sql", sql[:80], "'-- title: …' and '-- says: …' as its first two lines")
    return Report(name, head["title"].strip(), head["says"].strip(), sql)
