"""What is known without a model: the clock, what Parley can do, and what it cannot look up.

A model does not know the time and invents one; so these few questions are answered from facts. Pure.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST_WORDS: Final = 10  # a longer text is about something else, even where it asks for the time
ABILITIES: Final = (
    "I keep reminders, notes, debts, expenses, appointments and friends for you, and I like to talk. "
    'Try "remind me tomorrow at three to call the dentist".'
)
NO_WEATHER: Final = "I can't look up the weather, sorry."
NO_NEWS: Final = "I can't look up the news, sorry."
GOODBYE: Final = "Goodbye!"

_POLITE: Final = r"(?:(?:hey|hi|hello|ok|okay|so|parley|please|can you|could you|tell me|do you know)[ ,]+)*"
_END: Final = r"(?: (?:please|now|right now|today|parley|then))*"


def _clock(now: datetime) -> str:
    return f"It's {now:%I:%M %p}.".replace(" 0", " ")


def _date(now: datetime) -> str:
    return f"Today is {now:%A}, {now:%B} {now.day}, {now.year}."


_KNOWN: Final[tuple[tuple[re.Pattern[str], Callable[[datetime], str]], ...]] = tuple(
    (re.compile(f"{_POLITE}(?:{pattern}){_END}\\Z"), answer)
    for pattern, answer in (
        (
            r"what(?:'s| is)? the (?:current )?time|what time (?:is it|it is|do we have)"
            r"|the time|have you got the time",
            _clock,
        ),
        (
            r"what(?:'s| is)? (?:the|today's|todays) (?:date|day)(?: of today)?"
            r"|what (?:day|date) (?:is it|is today|it is)"
            r"|which day is (?:it|today)|what(?:'s| is) today",
            _date,
        ),
        (
            r"what can you (?:all )?do(?: for me)?|how can you help(?: me)?|what are you able to do|what do you do"
            r"|help(?: me)?|what are your (?:skills|features|abilities)",
            lambda _: ABILITIES,
        ),
        (
            r"(?:what(?:'s| is)|how(?:'s| is)) the weather(?: like)?(?: (?:in|for|tomorrow|outside).*)?"
            r"|(?:will|is) it (?:going to )?(?:rain|snow|raining|snowing)(?: .*)?"
            r"|what(?:'s| is) the (?:weather )?forecast.*",
            lambda _: NO_WEATHER,
        ),
        (r"what(?:'s| is| are) (?:in )?the (?:latest )?(?:news|headlines)", lambda _: NO_NEWS),
        (
            r"(?:good ?)?bye(?: bye)?|see you(?: (?:later|soon|tomorrow))?|talk to you later|good night",
            lambda _: GOODBYE,
        ),
    )
)


def known(text: str, said_at: datetime, time_zone: str) -> str | None:
    """The answer to a question that needs no model; None when a model (or nobody) has to answer it."""
    plain = " ".join(re.sub(r"[^\w' ]", " ", text.casefold().replace("’", "'")).split())
    if len(plain.split()) > LONGEST_WORDS:
        return None
    for pattern, answer in _KNOWN:
        if pattern.match(plain):
            try:
                return answer(said_at.astimezone(ZoneInfo(time_zone)))
            except (ZoneInfoNotFoundError, ValueError):
                return answer(said_at)
    return None
