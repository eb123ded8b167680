"""The ready questions, one SQL file each in reports/, with what they are called and the parameters that they take.

Each file begins with `-- title:` and `-- says:` and takes $run, $since and $until (times, the second left out) and
$conversation (NULL: all); those that tell days take $zone, the time zone in which a day begins.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from infra.event_log.columns import LATEST
from infra.event_log.port import Parameter
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN

FOLDER: Final = Path(__file__).parent / "reports"
_HEAD = re.compile(r"-- title: (?P<title>.+)\n-- says: (?P<says>.+)\n")
_PARAMETER = re.compile(r"\$([a-z_]+)")
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
NEVER: Final = LATEST


@dataclass(frozen=True, slots=True)
class Report:
    """One ready question."""

    name: str
    title: str
    says: str
    sql: str

    def parameters(
        self,
        *,
        run: str = LIVE_RUN,
        since: datetime = EVER,
        until: datetime = NEVER,
        conversation: str | None = None,
        zone: str = "UTC",
    ) -> Mapping[str, Parameter]:
        """What to ask it with: as many of these as it takes."""
        known: dict[str, Parameter] = {
            "run": run,
            "since": since,
            "until": until,
            "conversation": conversation,
            "zone": zone,
        }
        taken = set(_PARAMETER.findall(self.sql))
        return {name: value for name, value in known.items() if name in taken}


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
