"""Finds the person in an utterance, and which way money flows between them and the user. Pure patterns, English.

A name is given as it was said ("sarah", "my sister", "Tom and Jerry"): who shows it spells it.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["owes_me", "i_owe"]

# Words that end a name: in "sarah still owes me" it is "sarah".
_ENDS_NAME: Final = (
    "and|still|now|also|already|owes?|has|had|who|is|for|a|an|the|my|his|her|some|money|back|to|from|on|at|in|"
    "because|just|only|but|as|of|so|with|about|it|half|what|will|lent|paid|gave|borrowed|me|i|that|then|by|"
    "this|last|when|anything|off|put|add|save|mark|schedule|remind|note|every|next|if|he|she|they|we|set|must|"
    "should|needs|each|twice|around|roughly|again|yesterday|today|tomorrow|please|over"
)
_NAME: Final = (
    r"(?:(?:my|our|the|aunt|uncle|mr\.?|mrs\.?|ms\.?|dr\.?|grandma|grandpa) )?"
    rf"[^\W\d_][\w'’.-]*(?: (?!(?:{_ENDS_NAME})\b)[^\W\d_][\w'’.-]*)?"
)
_NAMES: Final = rf"{_NAME}(?:(?:, {_NAME})*,? (?:and|&) {_NAME})?"
_AMOUNT: Final = r"(?:\x00)"  # sums are replaced by this before matching, so that no number word is taken for a name
_SKIP: Final = (
    r"(?:(?:still|also|now|already|just|only|really|actually|currently|about|around|roughly|exactly|another|over|"
    r"like|a|an|the|some|money|back|him|her|them|us|total|of|cash|total of|extra|more|further) )*"
)
_NO_NAMES: Final = (
    "i me you he she they we it who what that this there money anyone anybody someone somebody everyone "
    "everybody nobody one how much record note add put log track save write him her them us people anything "
    "which each all and so because remember my the a an his your our total please where when why is does do "
    "did has have if somebody's for work guy girl on at in to about from by with next tomorrow today tonight "
    "then before after monday tuesday wednesday thursday friday saturday sunday noon back what's let's team "
    "whole group"
)
_NOBODY: Final = frozenset(_NO_NAMES.split())
_COMMAND: Final = re.compile(
    r"\A(?:(?:please|hey|ok(?:ay)?|so|and|also|oh|well|parley|can you|could you|would you|i want you to|"
    r"i need you to|i'd like you to|"
    r"put (?:in|down|it down)?|note(?: down)?|record|remember|log|write(?: down)?|track|"
    r"keep track(?: of the fact)?|add|save|enter|make a note|jot(?: down)?|"
    r"register|remind me|mark(?: down)?|keep in mind|don't forget|let me note|document|update|set|"
    r"create an? (?:debt|ledger)?\s?(?:entry)?|state|show|store|"
    r"(?:to |in |on )?(?:my |the )?(?:ledger|books?|tab)|that|how|the fact|a debt|an iou|down|in|for me|thanks|yes|"
    r"just|now|fyi|apparently)[\s,:]+)+",
    re.IGNORECASE,
)
_PATTERNS: Final[tuple[tuple[Direction, str], ...]] = (
        # they owe me
        ("owes_me",
            rf"\b(?P<p>{_NAMES}),? (?:who )?(?:also |still |now |already |currently |apparently |only |each |both |"
            rf"both of them |just )*(?:owes?|owed)\b (?:me|us)\b"),
        ("i_owe",
            rf"\b(?:gave|paid|handed|returned|repaid|gave) {_SKIP}(?P<p>(?!me\b|us\b|back\b|it\b|"
            rf"what\b){_NAMES}) {_SKIP}(?:{_AMOUNT} )?{_SKIP}(?:back|what i owed?|i owed)\b"),
        ("i_owe",
            rf"\b(?:have to|need to|must|should|got to|ought to|gotta|'ll|will|going to) (?:give|pay|send|return|"
            rf"repay|hand) {_SKIP}(?P<p>(?!me\b|back\b){_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me",
            rf"\b(?:lent|loaned|lend|loan|advanced|fronted|spotted|slipped|handed|gave|given) {_SKIP}(?P<p>(?!me\b|"
            rf"us\b){_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me",
            rf"\b(?:lent|loaned|lend|loan|advanced|fronted|gave|given|handed|of) {_SKIP}{_AMOUNT} (?:{_SKIP}|"
            rf"in cash |cash )*to (?P<p>{_NAMES})"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:has |just |also )?(?:borrowed|took|got) (?:.*?)(?:from|off) (?:me|us)\b"),
        ("owes_me",
            rf"\b(?P<p>{_NAMES}) (?:has|needs|ought|is|still has|is supposed|still needs|promised) to (?:pay|give|"
            rf"return|repay|reimburse|send|transfer) (?:me|us)\b"),
        ("owes_me",
            rf"\b(?P<p>{_NAMES}) (?:must|should|will|has to|'ll|is going to) (?:pay|give|return|repay|reimburse|"
            rf"send) (?:me|us)\b"),
        ("owes_me",
            rf"\b(?:i|we)(?:'ve| have| just)? (?:paid|covered|bought|got|picked up|"
            rf"settled) (?:.*?\b)?(?:for )?(?P<p>{_NAME})(?:'s|’s|s') "),
        ("owes_me", rf"\b(?:charge|bill|invoice|collect from) (?P<p>{_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me",
            rf"\b(?:collect|get|claim|due|owed|expecting|want|receive|"
            rf"owing) {_SKIP}{_AMOUNT} {_SKIP}(?:to me )?(?:from|off|by) (?P<p>{_NAMES})"),
        ("owes_me", rf"\b{_AMOUNT} (?:to|on|towards?) what (?P<p>{_NAMES}) owes?\b"),
        ("owes_me", rf"\bwhat (?P<p>{_NAMES}) owes? (?:me|us)\b"),
        ("owes_me", rf"\b(?:does|do|did) (?P<p>{_NAMES}) (?:still |also |now )?owe (?:me|us|anything)"),
        ("owes_me",
            rf"\b(?P<p>{_NAMES}) (?:has |just |finally |already |'s )*(?:paid|gave|repaid|given|returned|handed|"
            rf"transferred|sent) (?:me|us|it|back)\b"),
        ("owes_me", rf"\b(?:put|mark|note|write) (?P<p>{_NAMES}) down (?:for|as owing)"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:is|'s) (?:in debt to me|in my debt|down)"),
        # I owe them
        ("i_owe", rf"\b(?:i|we)(?:'ve|'d)? {_SKIP}(?:owe|owed|owing) {_SKIP}{_AMOUNT} {_SKIP}(?:to )(?P<p>{_NAMES})"),
        ("i_owe",
            rf"\b(?:i|we)(?:'ve|'d)? {_SKIP}(?:owe|owed) (?:it |this |that |money )?(?:to )?(?P<p>(?!me\b){_NAMES})"),
        ("i_owe", rf"\b(?:owing|debt to|in debt to|debt with|indebted to|owe) (?P<p>{_NAMES})"),
        ("i_owe", rf"\b(?:borrowed|borrow|loaned|got|took) .*?\b(?:from|off|off of) (?P<p>(?!me\b){_NAMES})"),
        ("i_owe",
            rf"\b(?P<p>{_NAMES}) (?:has |just |also |kindly )?(?:lent|loaned|spotted|fronted|advanced|gave|covered|"
            rf"lend) (?:me|us)\b"),
        ("i_owe",
            rf"\b(?P<p>{_NAMES}) (?:has |just |also )?(?:paid for (?:my|our)|paid my|bought my|bought me|paid our|"
            rf"covered my|covered me|picked up my|treated me|got me|paid)\b"),
        ("i_owe",
            rf"\b(?:i|we)(?:'ve| have| still| must| should| will|'ll| also| ought| really| just)* (?:have to|"
            rf"need to|got to|must|should|to|gotta)? ?(?:pay|give|return|repay|reimburse|send|paid|gave|repaid|"
            rf"returned) {_SKIP}(?P<p>(?!me\b|back\b){_NAMES}) {_SKIP}(?:{_AMOUNT}|back|what|for)"),
        ("i_owe",
            rf"\b(?:have to|need to|must|should|got to) (?:pay|give|return|send|"
            rf"repay) {_SKIP}{_AMOUNT} {_SKIP}to (?P<p>{_NAMES})"),
        ("i_owe", rf"\b(?:payable|due) to (?P<p>{_NAMES})"),
)  # fmt: skip
_LEDGER: Final = tuple((direction, re.compile(pattern, re.IGNORECASE)) for direction, pattern in _PATTERNS)
_OTHER: Final = re.compile(
    rf"\b(?:(?:his|her|their) name(?:'s| is)|with|about|between (?:me|us) and|to|from|against|me and) (?P<p>{_NAMES})",
    re.IGNORECASE,
)
# A friend's name has up to three words; none of these begins it, and those of _ENDS_FULL_NAME end it.
_BEGINS_NO_NAME: Final = (
    "to|as|in|on|into|from|of|and|is|my|me|friends?|contacts?|list|people|person|the|a|an|new|someone|somebody|"
    "under|please|with|for|who|that|it|him|her|them|called|named|one|another|i|we|you|number|phone|this|among|"
    "details|name|circle|group|he|she|they|his|by|at|so|can|could|would|add|save|put|friend's|added|more|some"
)
_ENDS_FULL_NAME: Final = (
    "to|as|in|on|into|from|of|and|is|my|me|friends?|contacts?|list|please|with|for|who|that|a|an|the|under|"
    "among|because|was|at|should|isn't|has|so|i|her|him|join|added|name|by|here|now|again|too|we|but|she|he|"
    "they|number|phone|are|add|save|put|store|include|make|keep|remember|would|belongs|this|tonight|today|"
    "yesterday|whom|which|can|could"
)
_FULL_NAME: Final = (
    r"(?:(?:mr|mrs|ms|dr|aunt|uncle|grandma|grandpa|professor|prof)\.? )?"
    rf"(?!(?:{_BEGINS_NO_NAME})\b)[^\W\d_][\w'’-]*(?: (?!(?:{_ENDS_FULL_NAME})\b)[^\W\d_][\w'’-]*){{0,2}}"
)
_FRIEND: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:(?:her|his|their|the|its?|whose) name(?:'s| is)|the name's|(?:is |'s |she's |he's |it's |"
        r"they're )?(?:called|named)|by the name of|goes by|call (?:him|her|it|them)|name:|friend:|contact:|"
        r"new friend:)\s+(?P<p>{NAME})",
        r"\A(?:friends?|contacts?|new (?:friend|contact)|another (?:friend|contact)|one more (?:friend|"
        r"contact)(?: to add)?)(?: to add)?(?: is| called| named)?[\s:,]+(?:please )?(?:add |to add )?(?P<p>{NAME})",
        r"\b(?:make|have|get) (?P<p>(?!friends\b){NAME}) (?:a|my|one of|into|as|added|join|in)\b",
        r"\bturn (?P<p>{NAME}) into\b",
        r"\bconnect (?:me )?(?:with|to) (?P<p>{NAME})",
        r"\b(?:add|put|save|store|include|insert|list|file|enter|register|link|keep|note|place|remember|accept|"
        r"count|befriend|welcome|enroll|append|want|like|need|have|introduce|get)(?: up| down| in)? (?:(?:a|an|my|"
        r"the|our|this|that|some|new|another|good|best|old|dear|close|work|school|friend|friends|buddy|pal|mate|"
        r"contact|contacts|person|coworker|colleague|neighbou?r|roommate|classmate|sister|brother|cousin|boss|for|"
        r"of|to|mine|named|called|is|as)\b[\s,:]*)*(?P<p>{NAME})(?:'s (?:name|number|contact|details|info)\b)?",
        r"\b(?:met|meet|meeting) (?:(?:a|an|my|the|this|new|someone|somebody|guy|girl|woman|man|person|called|"
        r"named)\b[\s,]*)*(?P<p>{NAME})",
        r"\b(?:request to|friends with|contact for|friend is|friend request to|contact named|friends? called|"
        r"friends? named|with|name of) (?:(?:a|an|my|the|guy|girl|woman|man|called|named)\b[\s,]*)*(?P<p>{NAME})",
        r"\b(?:this is|here is|here's|it's) (?:my |our |a )?(?:new |good |best |old )*(?:friend|buddy|pal|mate|"
        r"contact|neighbou?r|colleague|coworker|cousin|sister|brother)?[\s,]*(?P<p>{NAME})",
        r"\b(?:neighbou?r|colleague|coworker|co-worker|friend|buddy|pal|mate|roommate|flatmate|cousin|sister|"
        r"brother|boss|landlord|babysitter|aunt|uncle|trainer|contact|classmate)(?: is|"
        r" from \w+(?: \w+)?)?[\s,:]+(?P<p>{NAME})",
        r"\A(?P<p>{NAME})(?: is| should| and i| isn't|'s|,| would| belongs| needs| was)\b",
        r"\A(?P<p>{NAME})\Z",
    )
    for pattern in (pattern.replace("{NAME}", _FULL_NAME),)
)  # fmt: skip
_COMPANION: Final = re.compile(
    rf"\b(?:with|meet(?:ing)?|see(?:ing)?|visit(?:ing)?) (?P<p>(?!with\b|the\b|my (?:team|calendar)|a\b|an\b|on\b|"
    rf"at\b|in\b|for\b){_NAMES})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Debt:
    """Who it is with and which way it goes, as far as the words say."""

    person: str | None
    direction: Direction | None


def debt_in(text: str, amounts: list[tuple[int, int]]) -> Debt:
    """Person and direction of a debt; `amounts` are the stretches that name sums."""
    masked = _masked(_COMMAND.sub("", text) if not amounts else text, amounts)
    masked = _COMMAND.sub("", masked)
    for direction, pattern in _LEDGER:
        for match in pattern.finditer(masked):
            if name := named(match["p"]):
                return Debt(name, direction)
    other = next((name for match in _OTHER.finditer(masked) if (name := named(match["p"]))), None)
    return Debt(other, _direction(masked))


def friend_in(text: str) -> str | None:
    """The person to be added to the friends."""
    bare = text.strip(" .!?")
    found = (match for pattern in _FRIEND for match in pattern.finditer(bare))
    return next((name for match in found if (name := named(match["p"]))), None)


def companion_in(text: str) -> str | None:
    """With whom something takes place."""
    return next((name for match in _COMPANION.finditer(text) if (name := named(match["p"]))), None)


def named(name: str) -> str | None:
    """A name without what clings to it; None when it is not one."""
    name = _COMMAND.sub("", name.strip(" ,.;:!?")).removesuffix("'s").removesuffix("’s").strip(" ,.;:!?'’")
    words = name.casefold().split()
    if not words or words[0] in _NOBODY - {"my", "the", "our"} or set(words) <= _NOBODY:
        return None
    return name


def _masked(text: str, amounts: list[tuple[int, int]]) -> str:
    for start, end in sorted(amounts, reverse=True):
        text = f"{text[:start]}\x00{text[end:]}"
    return text


def _direction(text: str) -> Direction | None:
    if re.search(r"\bowes? (?:me|us)\b|\bowed to me\b|\blent\b|\bloaned\b", text, re.IGNORECASE):
        return "owes_me"
    return "i_owe" if re.search(r"\b(?:i|we) (?:still |also )?owe\b|\bborrowed\b", text, re.IGNORECASE) else None
