"""What tokens cost: known where a price is, unknown where none is, by currency, and readable however small."""

from decimal import Decimal

import pytest

from infra.settings import PriceSettings
from pipeline.report.costs import costs_of, shown, totals, unpriced

ROWS = [
    {"model": "dear", "prompt_tokens": 2_000_000, "completion_tokens": 500_000},
    {"model": "ours", "prompt_tokens": 10, "completion_tokens": 10},
    {"model": "free", "prompt_tokens": 10, "completion_tokens": 10},
    {"model": "dear", "prompt_tokens": 1_000, "completion_tokens": 0},
    {"model": "strange", "prompt_tokens": 7, "completion_tokens": 0},
]
PRICES = {
    "dear": PriceSettings(prompt=Decimal("0.4"), completion=Decimal("1.2"), currency="USD"),
    "ours": PriceSettings(prompt=Decimal(1), completion=Decimal(2)),
    "free": PriceSettings(prompt=Decimal(0), completion=Decimal(0)),
}


def test_each_model_costs_what_its_price_says_and_free_is_not_unknown() -> None:
    costs = costs_of(ROWS, PRICES, "EUR")

    assert [(cost.amount, cost.currency) for cost in costs] == [
        (Decimal("1.4"), "USD"),
        (Decimal("0.00003"), "EUR"),
        (Decimal(0), "EUR"),
        (Decimal("0.0004"), "USD"),
        (None, None),
    ]
    assert totals(costs) == {"USD": Decimal("1.4004"), "EUR": Decimal("0.00003")}
    assert unpriced(costs) == ["strange"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("1.4004", "1.40"), ("1234567.891", "1,234,567.89"), ("0.5", "0.50"), ("0.00055", "0.00055")],
)
def test_an_amount_is_shown_with_digits_that_tell_something(amount: str, text: str) -> None:
    assert shown(Decimal(amount)) == text
