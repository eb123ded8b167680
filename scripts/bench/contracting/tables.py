"""The outcomes as a table in Markdown."""

import statistics
from collections.abc import Sequence

from scripts.bench.contracting.asking import Outcome, distinct

HEAD = (
    "| contract | calls | with grammar | without | without, repaired | cut off | tokens (median, most) | allowed "
    "| seconds (median) |"
)


def table(forced: Sequence[Outcome], free: Sequence[Outcome], allowed: Sequence[int]) -> str:
    """One row a contract and one for all. `allowed`: max_tokens of each call, in the order of the outcomes."""
    rows = [HEAD, "|---|---|---|---|---|---|---|---|---|"]
    kinds = list(dict.fromkeys(outcome.case.kind for outcome in forced))
    for kind in (*kinds, None):
        chosen = [place for place, outcome in enumerate(forced) if kind in (None, outcome.case.kind)]
        rows.append(
            _row(
                kind or "**all**",
                [forced[p] for p in chosen],
                [free[p] for p in chosen if free],
                max(allowed[p] for p in chosen),
            )
        )
    rows.append("")
    rows.append(f"{distinct(forced)} of the {len(forced)} answers with grammar differ from all others before them.")
    return "\n".join(rows)


def _row(name: str, forced: Sequence[Outcome], free: Sequence[Outcome], allowed: int) -> str:
    tokens = [outcome.tokens for outcome in forced]
    cells = [
        name,
        str(len(forced)),
        _share([outcome.valid for outcome in forced]),
        _share([outcome.valid for outcome in free]),
        _share([outcome.readable for outcome in free]),
        str(sum(outcome.finish == "length" for outcome in forced)),
        f"{statistics.median(tokens):.0f}, {max(tokens)}",
        str(allowed),
        f"{statistics.median(outcome.seconds for outcome in forced):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _share(good: Sequence[bool]) -> str:
    """ "97.0% (32/33)"; a dash when nothing was asked."""
    return f"{100 * sum(good) / len(good):.1f}% ({sum(good)})" if good else "-"
