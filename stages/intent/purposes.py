"""What a debt or an expense was for: "the concert tickets", "coffee and a croissant". Pure patterns.

The sum is replaced by SUM before matching, so that no number word is taken for a thing.
"""

import re
from typing import Final

from stages.intent.titles import cleaned

SUM: Final = "\x00"
_OWED_FOR: Final = re.compile(
    r"\b(?:for|on|towards?|because of|from when|since|to buy|to get|as)\s+(?P<p>(?!me\b|us\b|now\b|"
    r"you\b)[^\x00]+?)[\s.,!?]*\Z",
    re.IGNORECASE,
)
_REMARK: Final = re.compile(
    r",? (?:and |so |but )?(?:he|she|they|i)(?:'ll|'d|'s| will| would| has| have| can| said| owes?)\b.*\Z"
    r"|,? (?:record|log|add|note|put|save|track) (?:it|that)\b.*\Z| each\b.*\Z|,? (?:his|her|their) name\b.*\Z"
    r"| (?:to|in|on|under) my (?:ledger|expenses|spending|budget).*\Z|,? so\b.*\Z",
    re.IGNORECASE,
)
_DETERMINER: Final = re.compile(r"\A(?:the|a|an|his|her|their|my|our|some|this month's|this)\s+(?=\S)", re.IGNORECASE)
_SPENT_ON: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\x00[\s,]*(?:each )?(?:to|for|on|at|towards?|in|under|as|from|went to|went on|worth of|of|into)?[\s,:]*"
        r"(?:spent |paid |spending |purchase |expense |)(?:on |for |at |as |to |from |of )?(?P<p>.+)",
        r"\b(?:bought|buy|purchased|got|picked up|had|ordered|grabbed|renewed|subscribed to|topped up)\s+(?P<p>.+?)\s+"
        r"(?:for|at|,)?\s*\x00",
        r"\A(?:expense|transaction|purchase|spending|work expense|bills?|new expense|cost|"
        r"costs?)?[\s:,]*(?P<p>.+?)[\s,:]+"
        r"(?:(?:just |has |have |had )?(?:cost|costs|was|were|is|came to|comes to|set me back|ran me|for|totall?ed|"
        r"amounted to|at|cost us|cost me|down as|went for|runs)\b)?\s*(?:me |us |about |around )?\x00",
    )
)
_COMMAND: Final = re.compile(
    r"\A(?:(?:log(?:ging)?|add(?:ing)?|record(?:ing)?|track(?:ing)?|note(?: down)?|enter|save|file|put|write(?: down)?|"
    r"register|mark|count|charge|keep track of|create|make|i(?:'m|'ve| have|'d)?|we(?:'ve| have)?|just|spent|paid|pay|"
    r"dropped|blew|used|bought|purchased|got|picked up|also|an?|the|my|new|another|expenses?|expenditure|purchase|"
    r"transaction|spending|of|for|that|this|to|how about|it|down|in|please|recording|cost|donated|tipped|gave|invested|"
    r"payment|entry|costs?|as|on|today|went out for|went for|went to|went|had)\b[\s,:]*)+",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"[\s,;.]+(?:(?:please |and |so )*(?:add|log|record|track|note|put|save|enter|write|file|mark)(?: (?:it|that|"
    r"this))?"
    r"(?: (?:as an expense|down|please|in|to|under|on)\b.*)?|(?:to|in|on|under|into|from) (?:my |the )?"
    r"(?:expenses?|spending|budget|expense (?:list|report)|spendings|books|costs?|tracker|food budget)(?: list|"
    r" tracker)?|"
    r"as an expense|so far|altogether|all in|in total|today|each|this (?:month|week|morning|evening|year)|"
    r"last (?:month|week|night)|yesterday|tonight|expense|purchase|and (?:it|that|this|they)|i think)[\s.!]*\Z",
    re.IGNORECASE,
)


def owed_for(text: str, person: str | None) -> str | None:
    """What a debt was for, in a text without its sum."""
    found = _OWED_FOR.search(re.sub(r"\s+", " ", text))
    if found is None:
        return None
    purpose = _DETERMINER.sub("", cleaned(_REMARK.sub("", found["p"])))
    names = {person.casefold(), person.casefold().removeprefix("my ")} if person else set()
    return purpose if purpose and purpose.casefold() not in names else None


def spent_on(text: str) -> str | None:
    """What was bought, in a text whose sum is SUM."""
    text = _shortened(text)
    for pattern in _SPENT_ON:
        if (match := pattern.search(text)) is not None:
            said = _COMMAND.sub("", _shortened(f" {match['p'].replace(SUM, ' ')}"))
            if purpose := _DETERMINER.sub("", cleaned(said)):
                return purpose
    return None


def _shortened(text: str) -> str:
    """A text without "altogether", "to my expenses", "log it" at its end."""
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
    return text.strip()
