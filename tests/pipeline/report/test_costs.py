"""What tokens cost: known where a price is, unknown where none is, by currency, and readable however small."""

from decimal import Decimal

import pytest

from infra.settings import PriceSettings
from pipeline.report.costs import costs_of, shown, totals, uncounted, unpriced
from pipeline.report.english import cost_told

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


def test_a_count_that_no_engine_told_makes_the_cost_unknown_unless_it_is_free() -> None:
    half = {"model": "dear", "prompt_tokens": 1_000, "completion_tokens": None}
    prices = {
        **PRICES,
        "inwards": PriceSettings(prompt=Decimal(1), completion=Decimal(0)),
    }

    costs = costs_of([half, half | {"model": "inwards"}, half | {"model": "strange"}], prices, "EUR")

    assert [(cost.tokens, cost.amount) for cost in costs] == [(1_000, None), (1_000, Decimal("0.001")), (1_000, None)]
    assert (unpriced(costs), uncounted(costs)) == (["strange"], ["dear"])
    assert cost_told(["0.00 EUR"], ["strange"], ["dear"]) == (
        "Cost: 0.00 EUR, and unknown for strange: `prices` has none, "
        "and for dear: only one of its token counts was told."
    )
    assert cost_told([], [], ["dear"]) == "Cost: unknown for dear: only one of its token counts was told."
