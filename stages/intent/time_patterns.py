"""The words for times in English, as patterns over the canonical spelling: one table, in the order of their kinds.

Every pattern names its preposition `prep`, which may be empty; the other names are read by stages/intent/time_words.py
and stages/intent/calendar_days.py. Knows no calendar.
"""

import re
from enum import StrEnum
from typing import Final

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY: Final = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_UNIT: Final = "(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|weekends?|fortnights?|months?|years?)"
_COUNT: Final = r"(?:an?|the next|\d+(?:\.\d+)?|half an?|a half|an? couple(?: of)?|a few|a quarter of an?|an? 1/2)"
_LENGTH: Final = (
    rf"(?P<count>{_COUNT})[ -]?(?P<unit>{_UNIT})\b(?P<half> and a half)?"
    rf"(?:,? (?:and )?(?P<count2>an?|\d+|a half) ?(?P<unit2>minutes?|mins?|seconds?|secs?|hours?|days?)\b)?"
)
_PART: Final = "(?:morning|afternoon|evening|night|lunch ?time|noon|midday)"
_FEAST: Final = (
    "christmas eve|christmas day|christmas|boxing day|new year's eve|new year's day|new year's|valentine's day"
    "|halloween|st patrick's day"
)
# A bare number is an hour only in front of one of these (or the end), so that "for 2 people" names no time.
_AFTER_BARE_HOUR: Final = (
    r"(?=$|[ ]?[.,;!?:]|'| (?:sharp|on the dot|am|pm|in the|on|tomorrow|today|tonight|this|next|every|each|to|and|"
    r"so|that"
    rf"|with|because|instead|not|please|for|at|from|until|till|{_WEEKDAY}s?|{_MONTH}|or|about|if|when|the|i|we|as|then"
    r"|but|each|daily|it|my|he|she|they|is|was|works|would|rather)\b)"
)


class Kind(StrEnum):
    """What a stretch of time words says."""

    OFFSET = "offset"  # "in two hours"
    DAY = "day"  # "next friday"
    CLOCK = "clock"  # "at half past six"
    PART = "part"  # "in the evening"
    LENGTH = "length"  # "for two hours"
    SHIFT = "shift"  # "by two hours", "an hour later"
    EVERY = "every"  # "every morning"


TIME_PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        # -- offsets and lengths
        (Kind.OFFSET,
            rf"\b(?P<prep>in (?:about |around |exactly |like )?|within (?:the next )?){_LENGTH}(?:'s? time\b)?"),
        (Kind.OFFSET, rf"\b(?P<prep>){_LENGTH} (?:from now|hence)\b(?! on)"),
        (Kind.OFFSET, rf"\b(?P<prep>)(?P<ago>){_LENGTH} ago\b"),
        (Kind.LENGTH, rf"\b(?P<prep>for (?:about |around |the next )?|lasting )(?!the next){_LENGTH}"),
        (Kind.SHIFT, rf"\b(?P<prep>(?:by|back|forward|up|ahead) (?:by )?(?:another )?){_LENGTH}"),
        (Kind.SHIFT,
            rf"\b(?P<prep>(?:by |for )?)(?:another )?{_LENGTH}(?= (?:later|earlier|sooner|back|forward|more)\b)"),
        (Kind.SHIFT, rf"\b(?P<prep>(?:snooze|delay|postpone) (?:it |that |this )?){_LENGTH}"),
        # -- repetitions
        (Kind.EVERY,
            rf"\b(?P<prep>(?:on )?)(?P<words>(?:every|each) (?:single |other |second |2nd )?(?:\d+ )?(?:{_UNIT}|"
            rf"{_PART}|{_WEEKDAY}s?|weekdays?|{_MONTH})(?: {_PART})?)\b"),
        (Kind.EVERY,
            rf"\b(?P<prep>(?:on )?)(?P<words>{_WEEKDAY}s(?: and {_WEEKDAY}s)?|weekdays|weekends|weeknights)\b"),
        (Kind.EVERY,
            r"\b(?P<prep>)(?P<words>daily|weekly|monthly|yearly|hourly|nightly|(?:once|twice|\d+ times|"
            r"3 times) (?:a|an|per|every) (?:day|week|month|year|hour))\b"),
        # -- days
        (Kind.DAY,
            r"\b(?P<prep>(?:on |by |before |until |till |for )?(?:the )?)(?P<words>day after tomorrow|"
            r"day before yesterday)\b"),
        (Kind.DAY,
            r"\b(?P<prep>(?:on |by |before |until |till |for |from |to )?)(?P<words>today|tomorrow|yesterday|tmrw|"
            r"tmr)(?:'s)?\b"),
        (Kind.DAY,
            rf"\b(?P<prep>(?:on |by |before |until |till |for |from |to |"
            rf"through )?(?:the )?)(?P<words>(?:(?P<after>a week|1 week|2 weeks|\d weeks) (?:from|"
            rf"after) )?(?:(?P<which>this coming|this|next|coming|last|past|"
            rf"following) )?(?P<weekday>{_WEEKDAY})(?P<week> next week| week\b| in 2 weeks|"
            rf" this week)?)(?:'s)?\b(?!s)"),
        (Kind.DAY,
            rf"\b(?P<prep>(?:on |by |before |until |till |for |from |to |"
            rf"through )?(?:the )?)(?P<words>(?P<md_month>{_MONTH})\.? (?:the )?(?P<md_day>\d{{1,2}})(?:st|nd|rd|"
            rf"th)?(?:,? (?P<md_year>20\d\d))?)\b(?!:|/| ?(?:am|pm)\b|%)"),
        (Kind.DAY,
            rf"\b(?P<prep>(?:on |by |before |until |till |for |from |to |"
            rf"through )?(?:the )?)(?P<words>(?P<dm_day>\d{{1,2}})(?:st|nd|rd|"
            rf"th)?(?: of)? (?P<dm_month>{_MONTH})\b(?:,? (?P<dm_year>20\d\d))?)"),
        (Kind.DAY, r"\b(?P<prep>(?:on |by |before |until |till |for |from )?)(?P<words>20\d\d-\d\d?-\d\d?)\b"),
        (Kind.DAY,
            r"\b(?P<prep>(?:on |by |before |until |till |for |"
            r"from )(?:the )?)(?P<words>\d{1,2}[/]\d{1,2}(?:[/]\d{2,4})?|\d{1,2}\.\d{1,2}\.(?:20\d\d)?)(?!\w)"),
        (Kind.DAY, r"(?<![\w/])(?P<prep>)(?P<words>\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}\.\d{1,2}\.20\d\d)\b"),
        (Kind.DAY,
            r"\b(?P<prep>(?:on |by |before |until |till |for |from |to |"
            r"through )?the )(?P<words>(?P<nth>\d{1,2})(?:st|nd|rd|th))(?! (?:note|reminder|one|1|item|time|floor|"
            r"grade|alarm|entry|half|anniversary|birthday|of (?:my|the|those|these)|place|street|avenue))\b"),
        (Kind.DAY, r"\b(?P<prep>(?:on |by )?)(?P<words>(?P<nth>\d{1,2})(?:st|nd|rd|th)) (?=at \d)"),
        (Kind.DAY,
            rf"\b(?P<prep>(?:on |by |before |until |till |for |over |"
            rf"at )?(?:the )?)(?P<words>{_FEAST})(?! (?:present|gift|tree|party|card|dinner|shopping|list|cookie|"
            rf"light|lunch|market)s?)\b"),
        (Kind.DAY,
            r"\b(?P<prep>(?:on |by |before |until |till |for |at |over |sometime |"
            r"during )?)(?P<words>(?:the )?end of (?:the|this|next) (?:week|month|year)|(?:the )?(?:beginning|"
            r"start) of next (?:week|month|year)|(?:the |this |next )weekend|(?:next|this) (?:week|month|year)|"
            r"last (?:week|month|weekend|year)|the week after next)\b"),
        (Kind.DAY, rf"\b(?P<prep>in )(?P<words>(?P<month>{_MONTH})(?: (?P<month_year>20\d\d))?)\b(?! \d)"),
        (Kind.DAY, rf"\b(?P<prep>(?:by |before |until |till )?)(?P<words>(?:next|this) (?P<month>{_MONTH}))\b(?! \d)"),
        # -- times of day
        (Kind.CLOCK,
            r"\b(?<!from )(?<!between )(?P<prep>(?:at |by |around |about |for |until |till |before |after |"
            r"to )?(?:a )?)(?P<rel>half|quarter|(?:5|10|20|25)|\d{1,2} minutes?) (?P<dir>past|after|to|till|before|"
            r"of) (?P<h>noon|midnight|1[0-2]|[1-9])(?: ?o'clock)?(?P<m> ?[ap]m)?\b(?![.:]\d|/| ?(?:minutes|hours|"
            r"people|euros|dollars|pounds|percent))"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>(?:(?:at|by|around|about|for|from|until|till|before|after|"
            r"to) )?)(?P<h>\d{1,2})[:.](?P<min>[0-5]\d)(?::[0-5]\d)?(?P<m> ?[ap]m)\b"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>(?:(?:at|by|around|about|for|from|until|till|before|after|"
            r"to) )?)(?P<h>\d{1,2}):(?P<min>[0-5]\d)(?::[0-5]\d)?(?: ?hours| ?h| o'clock)?\b"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>(?:at|by|around|from|until|till|after|"
            r"before) )(?P<h>\d{1,2})\.(?P<min>[0-5]\d)\b(?! ?(?:dollars|euros|pounds|bucks|usd|eur|gbp|%|percent|"
            r"kilos|km))"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>(?:(?:at|by|around|about|for|from|until|till|before|after|"
            r"to) )?)(?P<h>\d{1,2})(?: (?P<min>[0-5]\d| ?(?:oh|o) \d))?(?P<m> ?[ap]m)\b"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>(?:at|by|around|from|until|till|before|"
            r"after) )(?P<h>\d{1,2}) (?P<min>[0-5]\d|(?:oh|o) \d)\b(?! ?(?:dollars|euros|pounds|bucks|people|"
            r"minutes|hours|days))"),
        (Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>)(?P<h>1[0-2]|[1-9]) (?P<min>[1-5][05]|(?:oh|o) \d)(?= (?:tomorrow|today|"
            r"tonight|in the|on|this|every|to [a-z]+)\b|[.!?]?$)"),
        (Kind.CLOCK,
            r"\b(?P<prep>(?:at|by|around|from|until|till|for|to) )(?P<h4>[01]\d[0-5]\d|2[0-3][0-5]\d)(?: ?hours|"
            r" ?h)?\b(?! ?(?:dollars|euros|pounds|bucks|people|\w+ street))"),
        (Kind.CLOCK,
            r"\b(?P<prep>(?:(?:at|by|around|about|for|from|until|till|before|after|"
            r"to) )?)(?P<h>\d{1,2}) ?o'? ?clock(?P<m> ?[ap]m)?\b"),
        (Kind.CLOCK,
            r"\b(?P<prep>(?:(?:at|by|around|about|for|from|until|till|before|after|to) )?)(?:12 )?(?P<h>noon|"
            r"midday|midnight)\b"),
        (Kind.CLOCK,
            rf"\b(?P<prep>(?:at|by|till|until|around|before|from) )half (?P<half>1[0-2]|[1-9])\b{_AFTER_BARE_HOUR}"),
        (Kind.CLOCK,
            r"\b(?P<prep>)half (?P<half>1[0-2]|[1-9])(?= (?:tomorrow|today|tonight|on|this|in the)\b|[.!?]?$)"),
        (Kind.CLOCK,
            r"(?<!look )(?<!good )\b(?P<prep>at (?:around |about |exactly |like )?|by |around |until |till |"
            r"before |after |from )(?P<h>2[0-3]|1?\d)\b(?![.:,]\d|[%/]| ?-?(?:st|nd|rd|th)\b| ?(?:\w+ )?(?:street|"
            r"avenue|road|lane|percent|degrees|dollars?|euros?|pounds?|bucks|quid|cents|miles|km|kilometers|"
            r"people|days?|weeks?|hours?|minutes?|months?|years?|times)\b)"),
        (Kind.CLOCK, rf"\b(?P<prep>(?:for|to|about|make it|say) )(?P<h>1[0-2]|[1-9])\b{_AFTER_BARE_HOUR}(?! and \d)"),
        (Kind.CLOCK, rf"(?<=tomorrow )(?P<prep>)(?P<h>1[0-2]|[1-9])\b{_AFTER_BARE_HOUR}"),
        (Kind.CLOCK, rf"(?<=day )(?P<prep>)(?P<h>1[0-2]|[1-9])(?:(?: (?P<min>[0-5]\d))|{_AFTER_BARE_HOUR})\b"),
        (Kind.CLOCK,
            r"\b(?P<prep>(?P<between>between |"
            r"from ))(?P<h>\d{1,2})(?:[:.](?P<min>[0-5]\d))?(?P<m> ?[ap]m)?(?= (?:and|to|until|till) \d)"),
        (
            Kind.CLOCK,
            r"(?<![\w$€£.,:])(?P<prep>)(?P<h>1[0-2]|[1-9])(?::(?P<min>[0-5]\d))?"
            r"(?= ?(?:to|until|till|-) ?\d{1,2}(?::\d\d)? ?[ap]m)",
        ),
        (Kind.CLOCK,
            r"\b(?P<prep>(?P<and>and|to|until|"
            r"till) )(?P<h>\d{1,2})(?:[:.](?P<min>[0-5]\d))?(?P<m> ?[ap]m)?\b(?! ?(?:st|nd|rd|th)\b)"),
        # -- parts of the day
        (Kind.PART,
            rf"\b(?P<prep>(?:by |for |until |till |before )?)(?P<words>tonight|this {_PART}|"
            rf"tomorrow (?P<tomorrow>{_PART}))(?:'s)?\b"),
        (Kind.PART,
            r"\b(?P<prep>(?:(?:sometime )?(?:in|by|during|until|till|for) )?(?:the |early (?:in the )?|"
            r"late (?:in the )?))(?P<words>morning|afternoon|evening)s?\b(?! (?:show|class|meeting|paper|news|"
            r"train|flight|star))"),
        (Kind.PART,
            r"\b(?P<prep>(?:at|by) )(?P<words>night(?:time|fall)?|lunch ?time|lunch|breakfast|dinner ?time|dinner|"
            r"bed ?time|sunrise|dawn|sunset|dusk|tea ?time)\b"),
        (Kind.PART,
            r"\b(?P<prep>)(?P<words>(?:after|before|during|over) (?:i go to |i have |i eat )?(?:lunch|breakfast|"
            r"dinner|work|school|supper|bed(?:time)?|sunset|sunrise)|first thing(?: in the morning)?|(?:by |"
            r"before |at )?(?:the )?end of (?:the |this )?day|last night|when i (?:wake|get) up)\b"),
        (Kind.PART, rf"(?<=day )(?P<prep>(?:in the )?)(?P<words>{_PART})\b"),
        (Kind.PART, r"\b(?P<prep>(?:(?:on|at|in|by) (?:the )?)?)(?P<words>later(?: (?:today|on))?)(?=[ .,!?]*$)"),
    )
)  # fmt: skip
