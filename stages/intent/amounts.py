"""Finds the amounts of money that an utterance names, as exact decimals with their ISO 4217 currency.

price-parser reads the figures ("1,200.50", "12,50") and is known to this file only; number words are already digits
(stages/intent/spoken.py). Which of several amounts is meant is the slots' business.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from price_parser import Price

from schemas.intents import Money, is_amount
from stages.intent.spoken import Spoken

_SYMBOLS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "zł": "PLN"}
_NAMES: Final[tuple[tuple[str, str], ...]] = (
    (r"canadian dollars?|cad", "CAD"),
    (r"australian dollars?|aud", "AUD"),
    (r"new zealand dollars?|nzd", "NZD"),
    (r"singapore dollars?|sgd", "SGD"),
    (r"hong kong dollars?|hkd", "HKD"),
    (r"(?:us |american )?dollars?|bucks?|usd", "USD"),
    (r"euros?|eur", "EUR"),
    (r"quid|(?:british )?pounds?(?: sterling)?|gbp|sterling", "GBP"),
    (r"swiss francs?|francs?|chf", "CHF"),
    (r"yen|jpy", "JPY"),
    (r"rupees?|inr", "INR"),
    (r"yuan|renminbi|rmb|cny", "CNY"),
    (r"won|krw", "KRW"),
    (r"zloty?s?|zlotych|pln", "PLN"),
    (r"swedish (?:krona|kronor|crowns?)|kronor|krona|sek", "SEK"),
    (r"norwegian (?:krone|kroner|crowns?)|nok", "NOK"),
    (r"danish (?:krone|kroner|crowns?)|dkk", "DKK"),
    (r"czech crowns?|koruna|koruny|czk", "CZK"),
    (r"forints?|huf", "HUF"),
    (r"mexican pesos?|mxn", "MXN"),
    (r"brazilian reals?|reais|brl", "BRL"),
    (r"shekels?|ils", "ILS"),
    (r"turkish lira|try", "TRY"),
    (r"rand|zar", "ZAR"),
    (r"dirhams?|aed", "AED"),
)
_SMALL: Final = {"cent": None, "pence": "GBP", "penny": "GBP", "p": "GBP"}  # a cent may be of several currencies
_THOUSAND: Final = {"k": 1000, "grand": 1000, "thousand": 1000, "hundred": 100, "million": 1_000_000}
_ANY_NAME: Final = "|".join(names for names, _ in _NAMES)
_FIGURE: Final = r"\d+(?:[.,]\d{3})*(?:[.,]\d{1,2})?(?!\d)"
_AMOUNT: Final = re.compile(
    rf"(?P<symbol>[$€£¥₹₩]) ?(?P<a>{_FIGURE}) ?(?P<ak>k\b|grand\b|million\b)?"
    rf"|(?<![\w.,:/])(?P<b>{_FIGURE}) ?(?P<bk>k\b|grand\b|hundred\b|thousand\b|million\b)?"
    rf"(?:(?: and)? (?P<half>a half))?"
    rf"(?: ?(?P<after>[€£$¥₹₩]|zł)| ?(?P<name>(?:{_ANY_NAME})\b))"
    rf"(?:,? (?:and )?(?P<small>\d{{1,2}})(?: (?:cents?|pence|p))?\b(?! ?(?:for|of) (?:us|them)| ?[ap]m|:|%))?"
    rf"|(?<![\w.,:/])(?P<c>{_FIGURE}) ?(?P<coin>cents?|pence|p)\b"
    rf"|\b(?P<one>an?) (?P<onek>buck|dollar|euro|pound|quid|grand|fiver|tenner)\b"
)
_BARE: Final = re.compile(
    rf"(?<![\w.,:/#])(?P<b>{_FIGURE})(?: (?P<cents>[0-9]\d)(?=$| (?:for|on|at|to|from|in|as|and|of)\b|[.,!?]))?"
    r"(?: ?(?P<bk>k|grand|million)\b)?"
    r"(?![:/%]|st\b|nd\b|rd\b|th\b| ?(?:am|pm|o'clock|people|person|persons|times|days?|weeks?|months?|years?|hours?|"
    r"minutes?|percent|kilos?|grams?|kg|km|miles|litres?|liters?|bottles?|tickets?|packs?|boxes|bags?|cups?|cans?|"
    r"pieces?|nights?|loaves|pairs?|books?|of us|of them|each of)\b)"
)
_NOTES: Final = {"fiver": (5, "GBP"), "tenner": (10, "GBP"), "grand": (1000, None)}


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount and its words in the original [start, end). `named`: a currency or coin was said with it."""

    start: int
    end: int
    money: Money
    named: bool


def amounts(spoken: Spoken, besides: tuple[tuple[int, int], ...] = ()) -> list[Amount]:
    """All amounts in order; bare numbers too, except in the original spans `besides` (which hold times).

    A figure beyond what Money holds ("9999999999999 dollars") is none, and no part of it is.
    """
    text = spoken.canonical
    found: list[Amount] = []
    taken = list(besides)
    for pattern, named in ((_AMOUNT, True), (_BARE, False)):
        for match in pattern.finditer(text):
            start, end = spoken.origin(match.start(), match.end())
            if any(start < b and end > a for a, b in taken):
                continue
            read = _named(match) if named else _bare(match)
            if read is None:
                continue
            taken.append((start, end))
            value, currency = read
            if is_amount(value):
                money = Money(value=value, currency=currency)
                found.append(Amount(start, end, money, named))
    return sorted(found, key=lambda amount: amount.start)


def _named(match: re.Match[str]) -> tuple[Decimal, str | None] | None:
    if match["one"]:
        value, currency = _NOTES.get(match["onek"], (1, _currency(match["onek"])))
        return Decimal(value), currency
    if match["coin"]:
        value_of = _figure(match["c"])
        return None if value_of is None else (value_of / 100, _coin(match["coin"]))
    figure = _figure(match["a"] or match["b"])
    if figure is None:
        return None
    figure *= _THOUSAND.get((match["ak"] or match["bk"] or "").strip(), 1)
    if match["half"]:
        figure += Decimal("0.5")
    if match["small"]:
        figure += Decimal(match["small"]) / 100
    symbol = match["symbol"] or match["after"]
    return figure, _SYMBOLS[symbol] if symbol else _currency(match["name"])


def _bare(match: re.Match[str]) -> tuple[Decimal, str | None] | None:
    figure = _figure(match["b"])
    if figure is None:
        return None
    if match["cents"]:
        figure += Decimal(match["cents"]) / 100
    return figure * _THOUSAND.get(match["bk"] or "", 1), None


def _figure(said: str) -> Decimal | None:
    """The value of "1,200.50" or "12,50"; None when it cannot be read or is zero."""
    value: Decimal | None = Price.fromstring(said).amount
    return value if value is not None and value > 0 else None


def _currency(name: str) -> str | None:
    return next((code for pattern, code in _NAMES if re.fullmatch(pattern, name)), None)


def _coin(name: str) -> str | None:
    return _SMALL.get(name.removesuffix("s") if name != "pence" else name)
