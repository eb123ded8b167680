"""Finds the person in an utterance, and which way money flows between them and the user. Pure patterns, English.

A name is given as it was said ("sarah", "my sister", "Tom and Jerry"): who shows it spells it.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["owes_me", "i_owe"]

_NAME: Final = (
    r"(?:(?:my|our|the|aunt|uncle|mr\.?|mrs\.?|ms\.?|dr\.?|grandma|grandpa) )?"
    r"[^\W\d_][\w'’.-]*(?: (?!and\b|still\b|now\b|also\b|already\b|owes?\b|has\b|had\b|who\b|is\b|for\b|a\b|an\b|the\b|my\b|his\b|her\b|"
    r"some\b|money\b|back\b|to\b|from\b|on\b|at\b|in\b|and\b|because\b|just\b|only\b|but\b|as\b|of\b|so\b|with\b|about\b|it\b|half\b|"
    r"what\b|will\b|lent\b|paid\b|gave\b|borrowed\b|me\b|i\b|that\b|then\b|by\b|this\b|last\b|when\b|anything\b|off\b|money\b|"
    r"put\b|add\b|save\b|mark\b|schedule\b|remind\b|note\b|every\b|next\b|every\b|if\b|when\b|he\b|she\b|they\b|we\b|set\b|must\b|should\b|needs\b|each\b|twice\b|around\b|roughly\b|again\b|yesterday\b|today\b|tomorrow\b|please\b|over\b)[^\W\d_][\w'’.-]*)?"
)
_NAMES: Final = rf"{_NAME}(?:(?:, {_NAME})*,? (?:and|&) {_NAME})?"
_AMOUNT: Final = r"(?:\x00)"  # amounts are replaced by this before matching, so that no number word is taken for a name
_SKIP: Final = r"(?:(?:still|also|now|already|just|only|really|actually|currently|about|around|roughly|exactly|another|over|like|a|an|the|some|money|back|him|her|them|us|total|of|cash|total of|extra|more|further) )*"
_NOBODY: Final = frozenset(
    "i me you he she they we it who what that this there money anyone anybody someone somebody everyone everybody nobody "
    "one how much record note add put log track save write him her them us people anything which each all and so because "
    "remember my the a an his your our total please where when why is does do did has have if somebody's for "
    "work guy girl on at in to about from by with next tomorrow today tonight then before after monday tuesday wednesday "
    "thursday friday saturday sunday noon back what's let's team whole group".split()
)
_COMMAND: Final = re.compile(
    r"\A(?:(?:please|hey|ok(?:ay)?|so|and|also|oh|well|parley|can you|could you|would you|i want you to|i need you to|i'd like you to|"
    r"put (?:in|down|it down)?|note(?: down)?|record|remember|log|write(?: down)?|track|keep track(?: of the fact)?|add|save|enter|make a note|jot(?: down)?|"
    r"register|remind me|mark(?: down)?|keep in mind|don't forget|let me note|document|update|set|create an? (?:debt|ledger)?\s?(?:entry)?|state|show|store|"
    r"(?:to |in |on )?(?:my |the )?(?:ledger|books?|tab)|that|how|the fact|a debt|an iou|down|in|for me|thanks|yes|just|now|fyi|apparently)[\s,:]+)+",
    re.IGNORECASE,
)
_LEDGER: Final[tuple[tuple[Direction, re.Pattern[str]], ...]] = tuple(
    (direction, re.compile(pattern, re.IGNORECASE))
    for direction, pattern in (
        # they owe me
        ("owes_me", rf"\b(?P<p>{_NAMES}),? (?:who )?(?:also |still |now |already |currently |apparently |only |each |both |both of them |just )*(?:owes?|owed)\b (?:me|us)\b"),
        ("i_owe", rf"\b(?:gave|paid|handed|returned|repaid|gave) {_SKIP}(?P<p>(?!me\b|us\b|back\b|it\b|what\b){_NAMES}) {_SKIP}(?:{_AMOUNT} )?{_SKIP}(?:back|what i owed?|i owed)\b"),
        ("i_owe", rf"\b(?:have to|need to|must|should|got to|ought to|gotta|'ll|will|going to) (?:give|pay|send|return|repay|hand) {_SKIP}(?P<p>(?!me\b|back\b){_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me", rf"\b(?:lent|loaned|lend|loan|advanced|fronted|spotted|slipped|handed|gave|given) {_SKIP}(?P<p>(?!me\b|us\b){_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me", rf"\b(?:lent|loaned|lend|loan|advanced|fronted|gave|given|handed|of) {_SKIP}{_AMOUNT} (?:{_SKIP}|in cash |cash )*to (?P<p>{_NAMES})"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:has |just |also )?(?:borrowed|took|got) (?:.*?)(?:from|off) (?:me|us)\b"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:has|needs|ought|is|still has|is supposed|still needs|promised) to (?:pay|give|return|repay|reimburse|send|transfer) (?:me|us)\b"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:must|should|will|has to|'ll|is going to) (?:pay|give|return|repay|reimburse|send) (?:me|us)\b"),
        ("owes_me", rf"\b(?:i|we)(?:'ve| have| just)? (?:paid|covered|bought|got|picked up|settled) (?:.*?\b)?(?:for )?(?P<p>{_NAME})(?:'s|’s|s') "),
        ("owes_me", rf"\b(?:charge|bill|invoice|collect from) (?P<p>{_NAMES}) {_SKIP}{_AMOUNT}"),
        ("owes_me", rf"\b(?:collect|get|claim|due|owed|expecting|want|receive|owing) {_SKIP}{_AMOUNT} {_SKIP}(?:to me )?(?:from|off|by) (?P<p>{_NAMES})"),
        ("owes_me", rf"\b{_AMOUNT} (?:to|on|towards?) what (?P<p>{_NAMES}) owes?\b"),
        ("owes_me", rf"\bwhat (?P<p>{_NAMES}) owes? (?:me|us)\b"),
        ("owes_me", rf"\b(?:does|do|did) (?P<p>{_NAMES}) (?:still |also |now )?owe (?:me|us|anything)"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:has |just |finally |already |'s )*(?:paid|gave|repaid|given|returned|handed|transferred|sent) (?:me|us|it|back)\b"),
        ("owes_me", rf"\b(?:put|mark|note|write) (?P<p>{_NAMES}) down (?:for|as owing)"),
        ("owes_me", rf"\b(?P<p>{_NAMES}) (?:is|'s) (?:in debt to me|in my debt|down)"),
        # I owe them
        ("i_owe", rf"\b(?:i|we)(?:'ve|'d)? {_SKIP}(?:owe|owed|owing) {_SKIP}{_AMOUNT} {_SKIP}(?:to )(?P<p>{_NAMES})"),
        ("i_owe", rf"\b(?:i|we)(?:'ve|'d)? {_SKIP}(?:owe|owed) (?:it |this |that |money )?(?:to )?(?P<p>(?!me\b){_NAMES})"),
        ("i_owe", rf"\b(?:owing|debt to|in debt to|debt with|indebted to|owe) (?P<p>{_NAMES})"),
        ("i_owe", rf"\b(?:borrowed|borrow|loaned|got|took) .*?\b(?:from|off|off of) (?P<p>(?!me\b){_NAMES})"),
        ("i_owe", rf"\b(?P<p>{_NAMES}) (?:has |just |also |kindly )?(?:lent|loaned|spotted|fronted|advanced|gave|covered|lend) (?:me|us)\b"),
        ("i_owe", rf"\b(?P<p>{_NAMES}) (?:has |just |also )?(?:paid for (?:my|our)|paid my|bought my|bought me|paid our|covered my|covered me|picked up my|treated me|got me|paid)\b"),
        ("i_owe", rf"\b(?:i|we)(?:'ve| have| still| must| should| will|'ll| also| ought| really| just)* (?:have to|need to|got to|must|should|to|gotta)? ?(?:pay|give|return|repay|reimburse|send|paid|gave|repaid|returned) {_SKIP}(?P<p>(?!me\b|back\b){_NAMES}) {_SKIP}(?:{_AMOUNT}|back|what|for)"),
        ("i_owe", rf"\b(?:have to|need to|must|should|got to) (?:pay|give|return|send|repay) {_SKIP}{_AMOUNT} {_SKIP}to (?P<p>{_NAMES})"),
        ("i_owe", rf"\b(?:payable|due) to (?P<p>{_NAMES})"),
    )
)  # fmt: skip
_OTHER: Final = re.compile(
    rf"\b(?:(?:his|her|their) name(?:'s| is)|with|about|between (?:me|us) and|to|from|against|me and) (?P<p>{_NAMES})",
    re.IGNORECASE,
)
_FRIEND: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:(?:her|his|their|the|its?|whose) name(?:'s| is)|the name's|(?:is |'s |she's |he's |it's |they're )?(?:called|named)|by the name of|goes by|call (?:him|her|it|them)|name:|friend:|contact:|new friend:)\s+(?P<p>{NAME})",
        r"\A(?:friends?|contacts?|new (?:friend|contact)|another (?:friend|contact)|one more (?:friend|contact)(?: to add)?)(?: to add)?(?: is| called| named)?[\s:,]+(?:please )?(?:add |to add )?(?P<p>{NAME})",
        r"\b(?:make|have|get) (?P<p>(?!friends\b){NAME}) (?:a|my|one of|into|as|added|join|in)\b",
        r"\bturn (?P<p>{NAME}) into\b",
        r"\bconnect (?:me )?(?:with|to) (?P<p>{NAME})",
        r"\b(?:add|put|save|store|include|insert|list|file|enter|register|link|keep|note|place|remember|accept|count|befriend|welcome|enroll|append|want|like|need|have|introduce|get)(?: up| down| in)? (?:(?:a|an|my|the|our|this|that|some|new|another|good|best|old|dear|close|work|school|friend|friends|buddy|pal|mate|contact|contacts|person|coworker|colleague|neighbou?r|roommate|classmate|sister|brother|cousin|boss|for|of|to|mine|named|called|is|as)\b[\s,:]*)*(?P<p>{NAME})(?:'s (?:name|number|contact|details|info)\b)?",
        r"\b(?:met|meet|meeting) (?:(?:a|an|my|the|this|new|someone|somebody|guy|girl|woman|man|person|called|named)\b[\s,]*)*(?P<p>{NAME})",
        r"\b(?:request to|friends with|contact for|friend is|friend request to|contact named|friends? called|friends? named|with|name of) (?:(?:a|an|my|the|guy|girl|woman|man|called|named)\b[\s,]*)*(?P<p>{NAME})",
        r"\b(?:this is|here is|here's|it's) (?:my |our |a )?(?:new |good |best |old )*(?:friend|buddy|pal|mate|contact|neighbou?r|colleague|coworker|cousin|sister|brother)?[\s,]*(?P<p>{NAME})",
        r"\b(?:neighbou?r|colleague|coworker|co-worker|friend|buddy|pal|mate|roommate|flatmate|cousin|sister|brother|boss|landlord|babysitter|aunt|uncle|trainer|contact|classmate)(?: is| from \w+(?: \w+)?)?[\s,:]+(?P<p>{NAME})",
        r"\A(?P<p>{NAME})(?: is| should| and i| isn't|'s|,| would| belongs| needs| was)\b",
        r"\A(?P<p>{NAME})\Z",
    )
    for pattern in (pattern.replace("{NAME}", r"(?:(?:mr|mrs|ms|dr|aunt|uncle|grandma|grandpa|professor|prof)\.? )?(?!(?:to|as|in|on|into|from|of|and|is|my|me|friends?|contacts?|list|people|person|the|a|an|new|someone|somebody|somebody|in|under|please|with|for|who|that|it|him|her|them|called|named|one|another|i|we|you|number|phone|this|among|details|name|circle|group|he|she|they|his|by|at|so|can|could|would|add|save|put|friend's|added|more|some)\b)[^\W\d_][\w'’-]*(?: (?!(?:to|as|in|on|into|from|of|and|is|my|me|friends?|contacts?|list|please|with|for|who|that|a|an|the|under|among|because|was|at|should|isn't|has|so|i|her|him|join|added|name|by|here|now|again|too|we|but|she|he|they|number|phone|are|add|save|put|store|include|make|keep|remember|from|would|belongs|number|this|tonight|today|yesterday|whom|which|can|could)\b)[^\W\d_][\w'’-]*){0,2}"),)
)  # fmt: skip
_COMPANION: Final = re.compile(
    rf"\b(?:with|meet(?:ing)?|see(?:ing)?|visit(?:ing)?) (?P<p>(?!with\b|the\b|my (?:team|calendar)|a\b|an\b|on\b|at\b|in\b|for\b){_NAMES})", re.IGNORECASE
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
