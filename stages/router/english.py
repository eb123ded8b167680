"""How clock times, dates, sums of money and lists are written in American English, ready to be spoken.

The only file that knows Babel. Knows no "now": see moments.py for "tomorrow".
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal

from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol, is_currency

_LOCALE = "en_US"
_PATTERN_WHOLE = "¤#,##0"  # "$50", as people say it, where "$50.00" would be read out with its zeros


def clock_time(at: datetime | time) -> str:
    """`3 PM`, `3:07 PM`, `noon`. Seconds are not said."""
    shown = at.time() if isinstance(at, datetime) else at
    if (shown.hour, shown.minute) == (12, 0):
        return "noon"  # "12 PM" is heard as midnight by some
    return format_time(shown, "h:mm a" if shown.minute else "h a", locale=_LOCALE)


def weekday(day: date) -> str:
    """`Thursday`."""
    return format_date(day, "EEEE", locale=_LOCALE)


def calendar_day(day: date, with_year: bool) -> str:
    """`March 5`, `March 5, 2027`."""
    return format_date(day, "MMMM d, y" if with_year else "MMMM d", locale=_LOCALE)


def month(day: date) -> str:
    """`March`."""
    return format_date(day, "LLLL", locale=_LOCALE)


def is_known_currency(code: str) -> bool:
    """Whether it is the ISO 4217 code of a currency."""
    return is_currency(code, _LOCALE)


def minor_digits(currency: str) -> int:
    """How many decimal places the currency has: 2 for USD, 0 for JPY, 3 for KWD."""
    return get_currency_precision(currency)


def money(amount: Decimal, currency: str) -> str:
    """`$50`, `$12.50`, `CHF 20`."""
    whole = amount == amount.to_integral_value()
    if whole:
        text = format_currency(amount, currency, _PATTERN_WHOLE, locale=_LOCALE, currency_digits=False)
    else:
        text = format_currency(amount, currency, locale=_LOCALE)
    symbol = get_currency_symbol(currency, locale=_LOCALE)
    spaced = text.replace(symbol, f"{symbol} ", 1) if symbol[-1].isalpha() else text
    return " ".join(spaced.split())  # no-break spaces mean nothing to a voice


def joined(items: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b, and c`; with `or` as asked."""
    return format_list(list(items), "or" if word == "or" else "standard", locale=_LOCALE)


def counted(number: int, one: str, many: str) -> str:
    """`1 note`, `3 notes`."""
    return f"{number} {one if number == 1 else many}"
