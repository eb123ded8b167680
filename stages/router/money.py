"""Exact money: from the slot's decimal to whole minor units and back. No float is ever involved."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from schemas.intents import Money
from stages.router import english

AMOUNT_MAX: Final = Decimal(1_000_000_000)  # what a person can sensibly owe or spend; far inside 64 bits of minor units


class UnusableAmount(ValueError):
    """The amount cannot be written down. Its text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Sum:
    """An amount in a currency's smallest unit."""

    minor: int
    currency: str

    @property
    def value(self) -> Decimal:
        return Decimal(self.minor).scaleb(-english.minor_digits(self.currency))

    @property
    def spoken(self) -> str:
        """Without a sign: "$50", "$12.50"."""
        return english.money(abs(self.value), self.currency)


def exact(money: Money, default_currency: str) -> Sum:
    """The amount in minor units, in the default currency when none was named. Raises UnusableAmount."""
    currency = money.currency or default_currency
    if not english.is_known_currency(currency):
        raise UnusableAmount(f"I don't know the currency {currency}.")
    if not money.value.is_finite() or money.value <= 0:
        raise UnusableAmount("The amount has to be more than zero.")
    if money.value > AMOUNT_MAX:
        raise UnusableAmount(f"That is more than I can keep: at most {english.money(AMOUNT_MAX, currency)}.")
    minor = money.value.scaleb(english.minor_digits(currency))
    if minor != minor.to_integral_value():
        smallest = Sum(1, currency).spoken
        raise UnusableAmount(f"{money.value} is finer than the smallest unit, {smallest}.")
    return Sum(int(minor), currency)
