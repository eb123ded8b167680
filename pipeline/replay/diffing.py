"""Two runs side by side: every turn that both have, what changed, how long it took, and whether it got worse."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from infra.embeddings import Embedder
from infra.event_log.port import Json
from pipeline.export.reading import LogReading, Wanted
from pipeline.export.turns import LoggedTurn
from pipeline.log_files import Ask
from pipeline.replay.comparing import KINDS, Change, Compared, Meaning, compared
from pipeline.replay.turn import Run
from schemas.ids import LIVE_RUN

REPLIES_SAMPLED: Final = 0.2
"""Of replies that were sampled, as live ones are, so many mean something else when nothing was changed, and more."""
REPLIES_STEADY: Final = 0.05  # of two replays
SIMILARITY_SAMPLED: Final = 0.6
SIMILARITY_STEADY: Final = 0.8
SIMILARITY_FROM: Final = 3  # replies: the mean of fewer says little
CHANCE: Final = 0.05  # a share is exceeded when as many would come of it by chance no more often than this
AT_ONCE: Final = 256  # turns whose replies are placed together
LATENCY: Final = """
WITH pairs AS (
    SELECT a.kind, b.total_ms AS before_ms, a.total_ms AS after_ms
    FROM (SELECT * FROM turns WHERE run = $run) AS a
    JOIN (SELECT * FROM turns WHERE run = $base) AS b USING (tenant, turn)
    WHERE a.status = 'completed' AND b.status = 'completed'
)
SELECT
    kind, count(*) AS turns,
    median(before_ms) AS before_p50_ms, median(after_ms) AS after_p50_ms,
    quantile_cont(before_ms, 0.95) AS before_p95_ms, quantile_cont(after_ms, 0.95) AS after_p95_ms
FROM pairs GROUP BY kind ORDER BY kind"""
ABSENT: Final = """
SELECT count(*) FROM turns AS b
ANTI JOIN (SELECT turn FROM turns WHERE run = $run AND status <> 'open') AS r USING (turn)
WHERE b.run = $base AND b.status <> 'open'"""
ABOUT: Final = "SELECT of, start, changed::VARCHAR FROM runs WHERE run = $run"


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a replay counts as worse."""

    worse: int = 0  # turns that may be worse in anything but their reply
    replies: float | None = None  # the share of replies that may mean something else; None: REPLIES_SAMPLED or _STEADY
    similarity: float | None = None  # of all replies, in the mean; None: SIMILARITY_SAMPLED or _STEADY
    wer: float = 0.1  # words that may be heard otherwise, as a share
    slower: float | None = None  # p95 of the turns' time against before; None: time is no reason


@dataclass(frozen=True, slots=True)
class Latency:
    """How long turns of a kind took in either run, ms."""

    kind: str
    turns: int
    before_p50_ms: float
    after_p50_ms: float
    before_p95_ms: float
    after_p95_ms: float


@dataclass(slots=True)
class Difference:
    """What the comparison of two runs came to."""

    run: str
    base: str
    start: str = ""
    changed: str = ""
    steady: bool = False  # the base was replayed too, at temperature 0
    turns: int = 0
    missing: int = 0  # turns of the run that the base does not have
    absent: int = 0  # turns of the base that the run does not have, where the base is a replay too
    same: int = 0
    changes: list[tuple[Compared, Change]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, verdict)
    wers: list[float] = field(default_factory=list)
    similarities: list[float] = field(default_factory=list)
    worse_turns: int = 0  # in anything but their reply
    worse_replies: int = 0
    latencies: list[Latency] = field(default_factory=list)

    @property
    def wer(self) -> float | None:
        """Mean of the spoken turns' word error rates; None when none was spoken."""
        return sum(self.wers) / len(self.wers) if self.wers else None

    @property
    def similarity(self) -> float | None:
        """Mean of the replies' similarities; None when no reply could be compared."""
        return sum(self.similarities) / len(self.similarities) if self.similarities else None

    def regressions(self, limits: Limits) -> list[str]:
        """Why the run counts as worse than its base; empty when it does not."""
        found = []
        if self.worse_turns > limits.worse:
            kinds = ", ".join(
                f"{kind} {self.counts[kind, 'worse']}"
                for kind in KINDS
                if kind != "reply" and self.counts[kind, "worse"]
            )
            found.append(f"{self.worse_turns} turns are worse ({kinds}); allowed are {limits.worse}")
        if self.absent:
            found.append(
                f"{self.absent} turns of {self.base} are missing: --resume goes on with a run that was broken off"
            )
        replies, usual = len(self.similarities), REPLIES_STEADY if self.steady else REPLIES_SAMPLED
        share = limits.replies if limits.replies is not None else usual
        if self.worse_replies > share * replies and _is_more(self.worse_replies, replies, share):
            found.append(
                f"{self.worse_replies} of {replies} replies mean something else; that is more than the share of "
                f"{share:g} that is allowed and comes of chance"
            )
        usual = SIMILARITY_STEADY if self.steady else SIMILARITY_SAMPLED
        least = limits.similarity if limits.similarity is not None else usual
        if self.similarity is not None and replies >= SIMILARITY_FROM and self.similarity < least:
            found.append(
                f"the mean similarity of {replies} replies is {self.similarity:.2f}; at least {least:g} is wanted"
            )
        if self.wer is not None and self.wer > limits.wer:
            found.append(f"{100 * self.wer:.1f}% of the words were heard otherwise; allowed are {100 * limits.wer:g}%")
        if limits.slower is not None:
            found += (
                f"{each.kind} turns take {each.after_p95_ms:.0f} ms (p95) instead of {each.before_p95_ms:.0f}; "
                f"allowed is {limits.slower:g} times"
                for each in self.latencies
                if each.after_p95_ms > limits.slower * each.before_p95_ms
            )
        return found


async def repeated_by(ask: Ask, run: str) -> str | None:
    """The run that a replay repeated; None when it is no replay."""
    rows = (await ask(ABOUT, {"run": run})).rows
    return str(rows[0][0]) if rows else None


async def begun_as(ask: Ask, run: str) -> str | None:
    """The terms (Run.terms) with which a replay was begun; None when it has not."""
    rows = (await ask(ABOUT, {"run": run})).rows
    if not rows:
        return None
    of, start, changed = rows[0]
    return Run(run, str(of), str(start), json.loads(str(changed or "{}")), timedelta()).terms


async def difference(ask: Ask, run: str, base: str, embedder: Embedder) -> Difference:
    """Compare every turn of `run` with the same turn of `base`."""
    reading = await LogReading.opened(ask)
    told = Difference(run, base)
    about = (await ask(ABOUT, {"run": run})).rows
    told.steady = await repeated_by(ask, base) is not None
    if about:
        told.start, told.changed = str(about[0][1]), str(about[0][2] or "")
    feedback = await reading.feedback(LIVE_RUN)
    meaning = Meaning(embedder)
    waiting: list[LoggedTurn] = []

    async def compare() -> None:
        bases = {turn.id: turn async for turn in reading.of_run([turn.id for turn in waiting], base)}
        pairs = [(bases[turn.id], turn) for turn in waiting if turn.id in bases]
        told.missing += len(waiting) - len(pairs)
        waiting.clear()
        differing = [(before, after) for before, after in pairs if before.reply != after.reply]
        meaning.place(text for before, after in differing for text in (before.reply, after.reply, before.text))
        for before, after in pairs:
            before.feedback = feedback.get(before.id)
            _count(told, compared(before, after, meaning))
        meaning.forget()

    async for turn in reading.turns(Wanted(run=run, history=False), {}):
        if turn.status != "open":
            waiting.append(turn)
        if len(waiting) == AT_ONCE:
            await compare()
    await compare()
    if told.steady:
        [[absent]] = (await ask(ABSENT, {"run": run, "base": base})).rows
        told.absent = int(str(absent))
    told.latencies = [Latency(*map(_plain, row)) for row in (await ask(LATENCY, {"run": run, "base": base})).rows]  # type: ignore[arg-type]  # as the question has them
    return told


def _is_more(found: int, of: int, share: float) -> bool:
    from scipy.stats import binomtest  # takes 0.5 s to import

    return bool(binomtest(found, of, share, alternative="greater").pvalue <= CHANCE)


def _count(told: Difference, turn: Compared) -> None:
    told.turns += 1
    told.same += turn.verdict == "same"
    if turn.wer is not None:
        told.wers.append(turn.wer)
    if turn.similarity is not None:
        told.similarities.append(turn.similarity)
    for change in turn.changes:
        told.counts[change.kind, change.verdict] += 1
        told.changes.append((turn, change))
    told.worse_turns += any(change.verdict == "worse" and change.kind != "reply" for change in turn.changes)
    told.worse_replies += any(change.verdict == "worse" and change.kind == "reply" for change in turn.changes)


def _plain(value: Json) -> object:
    return value if isinstance(value, int | float | str) else 0.0
