"""Finds personal data by its shape: mails, web and network addresses, bank and card numbers, phones, street addresses.

Numbers are believed only where their check digits (python-stdnum) or their numbering plan (phonenumbers) say so, or
where they are written as nothing else is. Names have no shape: whoever knows them looks for them. Does not find: a
number spelt in words, a phone of a country that is not in REGIONS without its +code, an address without a number or a
word such as "Street", and anything that only its meaning makes personal.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

Kind = Literal["EMAIL", "URL", "IBAN", "CARD", "IP", "PHONE", "ADDRESS"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
REGIONS: Final = ("US", "GB", "DE", "FR")  # whose phones are known without their +code
PHONE_DIGITS_MIN: Final = 7

_DIGIT: Final = re.compile(r"\d")
_EMAIL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]*\w@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_SAID_EMAIL: Final = re.compile(r"\b[\w.-]+ at [\w-]+ dot (?:com|org|net|de|co\.uk|io|eu|fr)\b", re.I)
_URL: Final = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']+[^\s<>\"'.,;:!?)\]]", re.I)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.I)
_CARD: Final = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IPV4: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6: Final = re.compile(r"(?<![\w:])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?![\w:])")
_PHONE: Final = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,5}\)?[ ./-]?){1,5}\d{2,4}"
    r"|(?:1[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?![\w/-])"
)
_LONG_NUMBER: Final = re.compile(r"(?:\d[ ()./-]{0,3}){6}\d")
_AFTER_CUE: Final = re.compile(
    r"\b(?:phone|mobile|cell|tel|telephone|whatsapp)(?:'s)?(?: ?number)?(?: is|:)? *(?P<number>\+?\d[\d ()./-]{5,}\d)",
    re.I,
)
_WORD: Final = r"(?!(?:the|a|an|my|your|our|this|that|down|up|on|in|of|to|and|at|for|by|from|off|miles?|blocks?|"
_WORD_END: Final = r"minutes?|hours?|meters?|cars?|people|times?|pm|am|days?|more)\b)[\w'.-]+"
_STREETS: Final = r"street|avenue|road|lane|drive|boulevard|square|court|terrace|highway|parkway|crescent|alley|mews"
_SHORT: Final = r"St|Ave|Rd|Ln|Dr|Blvd|Sq|Ct|Pl|Hwy|Pkwy|Way|Place|Close|Gardens|Row|Hill"
_PLACE: Final = (
    r"(?:,? (?:apt|apartment|flat|unit|suite|#) ?\w+)?"
    r"(?: (?-i:[NS][EW]?|[EW])\b)?(?:,? (?-i:[A-Z][a-zà-ÿ.]+(?: [A-Z][a-zà-ÿ.]+){0,2}))?"
    r"(?:,? (?-i:[A-Z]{2}) \d{5}(?:-\d{4})?)?"
    r"(?:,? (?-i:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b)?"
)
_ADDRESSES: Final = (
    re.compile(rf"\b\d{{1,5}}[a-z]? (?:{_WORD}{_WORD_END} ){{1,3}}(?:{_STREETS})\b{_PLACE}", re.I),
    re.compile(rf"\b\d{{1,5}}[a-z]? (?:(?-i:[A-Z])[\w'.-]* ){{1,3}}(?-i:{_SHORT})\b\.?{_PLACE}", re.I),
    re.compile(
        r"\b[\w-]*[a-zäöüß](?:straße|strasse|str\.|gasse|allee|platz|weg|damm|ufer) \d{1,4} ?[a-z]?\b"
        r"(?:,? (?:\d{5} )?(?-i:[A-ZÄÖÜ][\w-]+))?",
        re.I,
    ),
    re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"),
    re.compile(r"\b[A-Z]{2} \d{5}(?:-\d{4})?\b"),
)
_ADDRESS_HINT: Final = re.compile(
    rf"\b(?:{_STREETS}|{_SHORT})\b|(?:straße|strasse|str\.|gasse|allee|platz|weg|damm|ufer) \d"
    r"|\b(?-i:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]{2} \d{5})\b",
    re.I,
)
"""Without one of these there is no address, and the patterns above need not be tried."""


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a text: characters `start` to before `end`."""

    start: int
    end: int
    kind: Kind


def found_in(text: str) -> tuple[Found, ...]:
    """What was found, in order, none overlapping another; of two that overlap the surer kind stands."""
    taken: list[Found] = []
    for found in _all_in(text):
        if all(found.end <= other.start or other.end <= found.start for other in taken):
            taken.append(found)
    return tuple(sorted(taken, key=lambda found: found.start))


def _all_in(text: str) -> Iterator[Found]:
    """Surer kinds first."""
    digits = len(_DIGIT.findall(text))
    if "@" in text:
        yield from _spans(text, _EMAIL, "EMAIL")
    if " dot " in text:
        yield from _spans(text, _SAID_EMAIL, "EMAIL")
    if "." in text:
        yield from _spans(text, _URL, "URL")
    if digits >= 4:
        yield from (found for found in _spans(text, _IPV4, "IP") if _is_ip(text[found.start : found.end]))
    if text.count(":") >= 2:
        yield from (found for found in _spans(text, _IPV6, "IP") if _is_ip(text[found.start : found.end]))
    if digits >= PHONE_DIGITS_MIN:
        yield from _ibans(text)
        yield from (found for found in _spans(text, _CARD, "CARD") if luhn.is_valid(_digits(text, found)))
        if _LONG_NUMBER.search(text):
            yield from _phones(text)
    if digits and _ADDRESS_HINT.search(text):
        for pattern in _ADDRESSES:
            yield from _spans(text, pattern, "ADDRESS")


def _spans(text: str, pattern: re.Pattern[str], kind: Kind) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(match.start(), match.end(), kind)


def _ibans(text: str) -> Iterator[Found]:
    """Words may follow that look like more of it: the longest beginning with right check digits counts."""
    for match in _IBAN.finditer(text):
        end = match.end()
        while end > match.start() + 14 and not iban.is_valid(text[match.start() : end]):
            end = text.rfind(" ", match.start(), end)
        if end > match.start() + 14:
            yield Found(match.start(), end, "IBAN")


def _phones(text: str) -> Iterator[Found]:
    """By their shape, by the word before them, and, where long numbers are left, by the regions' numbering plans."""
    rest = text
    for match in _AFTER_CUE.finditer(text):
        yield Found(*match.span("number"), "PHONE")
    for found in _spans(text, _PHONE, "PHONE"):
        if len(_digits(text, found)) >= PHONE_DIGITS_MIN:
            rest = f"{rest[: found.start]}{'_' * (found.end - found.start)}{rest[found.end :]}"
            yield found
    if _LONG_NUMBER.search(rest):
        for region in REGIONS:
            for phone in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
                yield Found(phone.start, phone.end, "PHONE")


def _digits(text: str, found: Found) -> str:
    return "".join(char for char in text[found.start : found.end] if char.isdigit())


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(char.isdigit() for char in text)
