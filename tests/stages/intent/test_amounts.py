"""Which sums an utterance names."""

from decimal import Decimal

import pytest

from stages.intent.amounts import amounts
from stages.intent.spoken import spoken


@pytest.mark.parametrize(
    ("said", "value", "currency"),
    [
        ("fifty dollars", "50", "USD"),
        ("20 bucks", "20", "USD"),
        ("€12.50", "12.50", "EUR"),
        ("12,50 euros", "12.50", "EUR"),
        ("12 quid", "12", "GBP"),
        ("£1.5k", "1500.0", "GBP"),
        ("1,200.50 USD", "1200.50", "USD"),
        ("a hundred and fifty pounds", "150", "GBP"),
        ("five dollars fifty", "5.5", "USD"),
        ("thirty two dollars and ten cents", "32.1", "USD"),
        ("fifty cents", "0.5", None),
        ("50p", "0.5", "GBP"),
        ("a tenner", "10", "GBP"),
        ("two grand", "2000", None),
        ("three hundred rupees", "300", "INR"),
        ("twenty swiss francs", "20", "CHF"),
        ("nineteen ninety nine for a book", "19.99", None),
        ("twelve fifty", "12.5", None),
        ("2 and a half dollars", "2.5", "USD"),
        ("$1,000,000", "1000000", "USD"),
    ],
)
def test_a_sum_has_an_exact_value_and_its_currency(said: str, value: str, currency: str | None) -> None:
    (amount,) = amounts(spoken(f"i paid {said}"))
    assert amount.money.value == Decimal(value)
    assert amount.money.currency == currency


@pytest.mark.parametrize(
    "said", ["zero dollars", "for 2 people", "3 times", "at 7:30", "the 3rd", "50%", "4 hours", "no sum"]
)
def test_numbers_that_count_other_things_are_no_sums(said: str) -> None:
    assert amounts(spoken(said)) == []


def test_the_hour_is_not_taken_for_a_sum() -> None:
    said = spoken("i paid fifty at nine")
    start = said.original.index("at nine")
    assert [str(a.money.value) for a in amounts(said, ((start, len(said.original)),))] == ["50"]


@pytest.mark.parametrize(
    "said",
    [
        "tom owes me 9999999999999 dollars",
        "tom owes me 2000000000k dollars",  # and not the 2000000000 in it
        "tom owes me 50000000000000",
        f"tom owes me {'9' * 4_000} dollars",
    ],
)
def test_a_figure_beyond_all_money_is_no_amount(said: str) -> None:
    assert amounts(spoken(said)) == []


def test_a_figure_beyond_all_money_hides_no_other() -> None:
    (amount,) = amounts(spoken("of 9999999999999 dollars tom owes me 50 dollars"))
    assert amount.money.value == 50
