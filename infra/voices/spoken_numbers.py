"""Turns all that has digits into words: times, dates, money, percentages, units, telephone numbers, plain numbers.

Uses num2words for the numbers themselves; the rules here only decide what kind of number stands there. English. A date
of two numbers and a year is read as month/day when it can be one (the United States' order).
"""

import re
from calendar import month_name
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from num2words import num2words

DIGITS_SPOKEN_SINGLY = 7  # a longer run of digits without separators is a code or a telephone number, not a quantity

_CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"), "USD": ("dollar", "dollars", "cent", "cents"),
    "US$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"), "EUR": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"), "GBP": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"), "JPY": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"), "INR": ("rupee", "rupees", "paisa", "paise"),
    "CHF": ("franc", "francs", "centime", "centimes"),
}  # fmt: skip
_UNITS: Final = {
    "km/h": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "g": ("gram", "grams"),
    "lbs": ("pound", "pounds"), "lb": ("pound", "pounds"), "oz": ("ounce", "ounces"), "ft": ("foot", "feet"),
    "ml": ("milliliter", "milliliters"), "l": ("liter", "liters"), "L": ("liter", "liters"), "m": ("meter", "meters"),
    "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "GB": ("gigabyte", "gigabytes"), "MB": ("megabyte", "megabytes"), "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"), "TB": ("terabyte", "terabytes"), "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"), "Hz": ("hertz", "hertz"),
    "ms": ("millisecond", "milliseconds"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "hrs": ("hour", "hours"), "hr": ("hour", "hours"), "h": ("hour", "hours"), "sec": ("second", "seconds"),
    "secs": ("second", "seconds"), "s": ("second", "seconds"), "kWh": ("kilowatt hour", "kilowatt hours"),
}  # fmt: skip
_FRACTIONS: Final = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
    "24/7": "twenty-four seven",
}  # fmt: skip
_MONTHS: Final = {name[:3].lower(): name for name in month_name[1:]}
_MONTH: Final = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?:[a-z]*\.?)"
_NUMBER: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SCALE: Final = r"(?:\s?(?P<scale>thousand|million|billion|trillion|k|K|M|bn)\b)?"
_SCALES: Final = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion"}


def numbers_spoken(text: str) -> str:
    """The text with its numbers as words. The order of the rules matters: each takes what it knows for certain."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text


def _cardinal(digits: str | int) -> str:
    number = Decimal(str(digits).replace(",", ""))
    if "." not in str(digits):
        return str(num2words(int(number))).replace(",", "")
    whole, _, decimals = str(digits).replace(",", "").partition(".")
    return f"{_cardinal(whole)} point {_singly(decimals)}"


def _singly(digits: str) -> str:
    return " ".join("oh" if digit == "0" and len(digits) > 2 else str(num2words(int(digit))) for digit in digits)


def _ordinal(digits: str) -> str:
    return str(num2words(int(digits), to="ordinal"))


def _year(digits: str) -> str:
    return str(num2words(int(digits), to="year"))


def _time(found: re.Match[str]) -> str:
    """3 PM, 3:05 p.m., 15:30, 9:00."""
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), found["half"]
    if hour > 23 or minute > 59 or (half and not 1 <= hour <= 12):
        return found[0]
    is_24h = not half and (hour > 12 or found["hour"].startswith("0"))
    if is_24h:
        half = "a" if hour < 12 else "p"
    words = _cardinal(hour % 12 or 12)
    if minute:
        words += f" oh {_cardinal(minute)}" if minute < 10 else f" {_cardinal(minute)}"
    elif not half:
        words += " o'clock"
    ends = "." if found[0].endswith(".") and not found.string[found.end() :].strip() else ""
    return f"{words} {half.upper()}M{ends}" if half else words


def _iso_date(found: re.Match[str]) -> str:
    return _date(found, int(found["month"]), found["day"], found["year"])


def _numeric_date(found: re.Match[str]) -> str:
    first, second = int(found["first"]), int(found["second"])
    month, day = (first, second) if first <= 12 else (second, first)
    return _date(found, month, str(day), found["year"])


def _date(found: re.Match[str], month: int, day: str, year: str) -> str:
    if not (1 <= month <= 12 and 1 <= int(day) <= 31):
        return found[0]
    return f"{month_name[month]} {_ordinal(day)}, {_year(year)}"


def _month_day(found: re.Match[str]) -> str:
    month, day, year = _MONTHS[found[1].lower()], int(found["day"]), found["year"]
    if not 1 <= day <= 31:
        return found[0]
    return f"{month} {_ordinal(found['day'])}" + (f", {_year(year)}" if year else "")


def _day_month(found: re.Match[str]) -> str:
    day, year = int(found["day"]), found["year"]
    if not 1 <= day <= 31:
        return found[0]
    return f"the {_ordinal(found['day'])} of {_MONTHS[found[2].lower()]}" + (f", {_year(year)}" if year else "")


def _decade(found: re.Match[str]) -> str:
    words = _cardinal(found["decade"])
    return (f"{_cardinal(found['century'])} " if found["century"] else "") + f"{words.removesuffix('y')}ies"


def _money(found: re.Match[str]) -> str:
    one, many, cent, cents = _CURRENCIES[found["sign"]]
    minus = "minus " if found["minus"] else ""
    amount, scale = found["amount"].replace(",", ""), found["scale"]
    if scale:
        return f"{minus}{_cardinal(found['amount'])} {_SCALES.get(scale, scale)} {many}"
    whole, _, decimals = amount.partition(".")
    parts = [f"{_cardinal(whole)} {one if int(whole) == 1 else many}"] if int(whole) or not decimals.strip("0") else []
    if hundredths := int((decimals + "0")[:2]):
        parts.append(f"{_cardinal(hundredths)} {cent if hundredths == 1 else cents}")
    return minus + " and ".join(parts)


def _unit(found: re.Match[str]) -> str:
    one, many = _UNITS[found["unit"]]
    minus = "minus " if found["minus"] else ""
    return f"{minus}{_cardinal(found['amount'])} {one if found['amount'] == '1' else many}"


def _telephone(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found[0])
    if sum(map(len, groups)) < DIGITS_SPOKEN_SINGLY:
        return found[0]
    return ("plus " if found[0].startswith("+") else "") + ", ".join(_singly(group) for group in groups)


def _plain(found: re.Match[str]) -> str:
    digits, scale = found["amount"], found["scale"]
    minus = "minus " if found["minus"] else ""
    is_long = len(digits) >= DIGITS_SPOKEN_SINGLY and not digits.endswith("000")
    if digits.isdigit() and (is_long or (len(digits) > 1 and digits[0] == "0")):
        return minus + _singly(digits)
    return minus + _cardinal(digits) + (f" {_SCALES.get(scale, scale)}" if scale else "")


_Words = str | Callable[[re.Match[str]], str]
_TIME: Final = r"(?<![\d:.,$€£])(?P<hour>\d{1,2})"
_HALF: Final = r"(?P<half>[ap])(?:\.\s?m\.|m\b)"
_SIGNS: Final = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_UNIT_NAMES: Final = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_MINUS: Final = r"(?:(?<![\w.,)])(?P<minus>[-−])(?=[\d$€£¥₹]))?"


def _rule(pattern: str, words: _Words, flags: re.RegexFlag = re.NOFLAG) -> tuple[re.Pattern[str], _Words]:
    return re.compile(pattern, flags), words


_RULES: Final[tuple[tuple[re.Pattern[str], _Words], ...]] = (
    _rule(r"(\d{4}-\d{2}-\d{2})T(?=\d{2}:\d{2})", r"\1 at "),
    _rule(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b", _iso_date),
    _rule(r"\b(?P<first>\d{1,2})[/.](?P<second>\d{1,2})[/.](?P<year>(?:19|20)\d{2})\b", _numeric_date),
    _rule(_TIME + r":(?P<minute>\d{2})(?::\d{2})?(?!\d)\s?" + _HALF, _time, re.IGNORECASE),
    _rule(_TIME + r"(?P<minute>)\s?" + _HALF, _time, re.IGNORECASE),
    _rule(_TIME + r":(?P<minute>\d{2})(?P<half>)(?![\d:])", _time),
    _rule(r"\b" + _MONTH + r"\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?(?![\d:])(?:,?\s+(?P<year>\d{4})\b)?", _month_day),
    _rule(r"\b(?:the\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?" + _MONTH
          + r"(?![a-z])(?:,?\s+(?P<year>\d{4})\b)?", _day_month),
    _rule(_MINUS + rf"(?P<sign>{_SIGNS})\s?(?P<amount>{_NUMBER}){_SCALE}", _money),
    _rule(_MINUS + rf"(?P<amount>{_NUMBER})\s?(?P<scale>)(?P<sign>{_SIGNS})(?!\w)", _money),
    _rule(rf"(?P<amount>{_NUMBER})\s?%", lambda found: f"{_cardinal(found['amount'])} percent"),
    _rule(r"(?<!\w)'?(?P<century>1[89]|20)?(?P<decade>[2-9]0)'?s\b", _decade),
    _rule(_MINUS + rf"(?P<amount>{_NUMBER})\s?(?P<unit>{_UNIT_NAMES})(?![\w°])", _unit),
    _rule(r"\b(\d+)(?:st|nd|rd|th)\b", lambda found: _ordinal(found[1])),
    _rule(r"(?<![\w.,])\+?\(?\d[\d()]*(?:(?:[ .-]|(?<=\)))\(?\d{2,}\)?){1,5}(?![\w,]|\.\d)", _telephone),
    _rule(r"\b(?:in|since|of|by|year|from|until|before|after|around) (?P<year>(?:1[1-9]|20)\d{2})\b(?!\s+\w+s\b)",
          lambda found: found[0][: -len(found["year"])] + _year(found["year"]), re.IGNORECASE),
    _rule(r"(?<![\d:])(\d+):(\d{2}):(\d{2})(?![\d:])", r"\1 hours \2 minutes \3 seconds"),
    _rule(r"(?<![\d:])(\d+):(?=\d+(?![\d:]))", r"\1 to "),
    _rule(r"(?<=\d)\s?[*x×]\s?(?=\d)", " times "),
    _rule(r"\b(\d+)\s?[–-]\s?(?=\d+\b(?![-–]))", r"\1 to "),
    _rule(r"(?<![\w/])(" + "|".join(map(re.escape, _FRACTIONS)) + r")(?![\w/])", lambda found: _FRACTIONS[found[1]]),
    _rule(r"(?<![\w/])(\d+)/(?=\d+(?![\w/]))", r"\1 over "),
    _rule(r"(?<=\d)\.(?=\d+\.\d)|(?<=\d\.\d)\.(?=\d)", " point "),
    _rule(r"(?i)\bno\. ?(?=\d)|#\s?(?=\d)", "number "),
    _rule(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=(?!(?:k|K|M|bn)\b)[A-Za-z])", " "),  # MP3, 12B
    _rule(_MINUS + rf"(?P<amount>{_NUMBER}){_SCALE}", _plain),
)  # fmt: skip
