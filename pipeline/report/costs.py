"""What tokens have cost, by the prices that are configured. A price that nobody has told is unknown, never 0. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from infra.settings import PriceSettings

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model's tokens have cost; `amount` None: its price is not known, or one of its counts."""

    model: str
    tokens: int  # that were counted
    amount: Decimal | None
    currency: str | None  # None: no price is known


def costs_of(
    rows: Sequence[Mapping[str, object]], prices: Mapping[str, PriceSettings], currency: str
) -> tuple[Cost, ...]:
    """One for each row {model, prompt_tokens, completion_tokens}; `currency` is that of prices that name none.

    A count is None where no engine told it: what it costs is not known then, unless such tokens are free.
    """
    return tuple(_cost(row, prices.get(str(row["model"])), currency) for row in rows)


def _cost(row: Mapping[str, object], price: PriceSettings | None, currency: str) -> Cost:
    counts = [row["prompt_tokens"], row["completion_tokens"]]
    prompt, completion = (int(str(count or 0)) for count in counts)
    if price is None:
        return Cost(str(row["model"]), prompt + completion, None, None)
    told = all(
        count is not None or not each for count, each in zip(counts, (price.prompt, price.completion), strict=True)
    )
    amount = (prompt * price.prompt + completion * price.completion) / MILLION if told else None
    return Cost(str(row["model"]), prompt + completion, amount, price.currency or currency)


def totals(costs: Sequence[Cost]) -> dict[str, Decimal]:
    """What is known, by currency."""
    found: dict[str, Decimal] = {}
    for cost in costs:
        if cost.amount is not None and cost.currency is not None:
            found[cost.currency] = found.get(cost.currency, Decimal(0)) + cost.amount
    return found


def unpriced(costs: Sequence[Cost]) -> list[str]:
    """The models whose price is not known, each once."""
    return list(dict.fromkeys(cost.model for cost in costs if cost.currency is None))


def uncounted(costs: Sequence[Cost]) -> list[str]:
    """The models that have a price but lack a count that it needs, each once."""
    return list(dict.fromkeys(cost.model for cost in costs if cost.amount is None and cost.currency is not None))


def shown(amount: Decimal) -> str:
    """An amount as it is read: two decimals, and as many more as the first two digits that are not 0 need."""
    if amount and abs(amount) < 1:
        return f"{amount:.{min(6, 1 - amount.adjusted())}f}"
    return f"{amount:,.2f}"
