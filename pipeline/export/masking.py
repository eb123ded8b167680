"""Masks personal data in rows: by its shape, and the names that the log itself knows. Counts what it masked. Pure.

The same value is the same placeholder all through a conversation ([NAME_1], [EMAIL_2]), and means nothing beyond it.
A name that the words around it tell once ("call Anna") is one all through its conversation; one that somebody gives
as their own ("my name is Anna") is one everywhere.
Not masked: names that neither an intent nor a skill nor the words around them tell, and whatever
infra/personal_data.py does not find.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

import regex

from infra.personal_data import KINDS, Found, found_in

NAME: Final = "NAME"
PLACEHOLDER: Final = re.compile(rf"\[({'|'.join((NAME, *KINDS))})_\d+\]")
NAME_CHARS_MIN: Final = 2
REMEMBERED_TEXTS: Final = 20_000  # the turns of a conversation carry those before them
REMEMBERED_CONVERSATIONS: Final = 1_000
_WORDS: Final = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_POSSESSIVE: Final = re.compile(r"['’]s\Z", re.I)
_SURNAME: Final = re.compile(r" (?P<word>[A-Z][^\W\d_]+(?:-[A-Z][^\W\d_]+)*)(?!['’]?\w)")
_CALLED: Final = (
    "call|phone|ring|text|message|e-?mail|meet|visit|invite|tell|ask|thank|pick up|drop off"
    "|(?:write|talk|speak|call|letter|mail) to|(?:talk|speak|meeting|appointment|lunch|dinner|breakfast|coffee) with"
    "|(?:gift|present|card|cake) for"
)
_OWNED: Final = (
    "birthday|party|wedding|house|place|flat|number|address|e?-?mail|car|phone|mother|father|parents|brother|sister"
    "|wife|husband|son|daughter"
)
_INTRODUCED: Final = re.compile(
    r"\b(?i:my name is|my name's|i am called|call me)(?P<name>(?: [A-Z][\w’'-]+){1,3})"
    r"|\b(?i:my name is|my name's) (?!(?:not|on|in|the|a|an|what|too|so|very)\b)(?P<lower>[^\W\d_]+)"
)
_OWN: Final = re.compile(r"\b(?i:my name is|my name's|i am called)(?P<name>(?: [A-Z][\w’'-]+){1,3})")
_CUED: Final = regex.compile(
    rf" (?=\p{{Lu}})(?<=\b(?i:{_CALLED}) )(?P<name>\p{{Lu}}[\w’-]+(?: \p{{Lu}}[\w’-]+){{0,2}})(?!\w)"
)
_OWNER: Final = regex.compile(rf"(?<![^\s(])(?P<name>\p{{Lu}}[\w-]+(?: \p{{Lu}}[\w-]+)?)(?=['’]s (?:{_OWNED})\b)")
"""Capitalised words where people name each other: "call Tom Becker", "Tom's birthday"."""
CUES: Final = (
    r"(?i:\b(?:my name|my name['’]s|i am called|call me) )"
    rf"|\b(?i:{_CALLED}) (?:\p{{Lu}}|\\u)|(?:['’]|\\u2019)s (?:{_OWNED})\b"
)
"""Finds all JSON that may hold words which tell a name, and more; in RE2's syntax, for the log."""
_NOBODY: Final = """
i me you he she it we they him her us them my your his our their mine myself yourself everyone everybody someone
somebody anyone nobody people person user users local default guest admin anonymous test unknown none friend friends
mom mum mommy mummy dad daddy mother father parents parent brother sister brothers sisters sibling son daughter
child children kid kids baby wife husband partner girlfriend boyfriend fiance fiancee uncle aunt cousin nephew niece
grandma grandpa grandmother grandfather granny boss manager landlord landlady neighbor neighbour neighbors
neighbours colleague coworker teacher doctor dentist plumber lawyer roommate flatmate team bank family guy guys
the a an
"""
NO_NAMES: Final = frozenset(_NOBODY.split())
"""What stands in a slot for a person, or as a user's id, and names nobody."""
_NO_SURNAME: Final = """
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
october november december today tomorrow tonight parley and or for at on in to about euros dollars pounds
"""
NO_SURNAMES: Final = NO_NAMES | frozenset(_NO_SURNAME.split())
KEPT: Final = frozenset(
    {"role", "type", "label", "labels", "selected_id", "id", "direction", "at", "tools", "rating", "facet"}
)
"""Keys whose values are Parley's own words."""


class Masking:
    """Masks row after row of one export, and knows what it has masked."""

    def __init__(self, names: Iterable[str], *, spoken: bool = True) -> None:
        """`names`: those that are known. `spoken`: what people say to an assistant, where "call Tom" names somebody to
        call; False for literature, whose people may keep their names."""
        self._spoken = spoken
        self._counts: Counter[str] = Counter()
        self._numbers: dict[tuple[str, str], dict[str, int]] = {}  # by conversation and kind: value -> its number
        self._everywhere = set(names)
        self._names: _Names | None = None  # the same
        self._told: dict[str, set[str]] = {}  # by conversation: the names that were told in it
        self._names_of: dict[str, _Names] = {}  # the same, of the conversations that were masked last
        self._masked: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}  # by conversation and text

    def taken(self) -> Mapping[str, int]:
        """How many places were masked since this was last asked, by kind."""
        counts, self._counts = self._counts, Counter()
        return counts

    def learn(self, value: Any, conversation: str) -> None:
        """Know from now on, in this conversation, all names that are told in the value's texts."""
        match value:
            case str():
                self._learn_own(value)
                self._add(set(_told(value, self._spoken)), conversation)
            case list():
                for each in value:
                    self.learn(each, conversation)
            case dict():
                for each in value.values():
                    self.learn(each, conversation)
            case _:
                pass

    def share(self, told_in: str, conversation: str) -> None:
        """Know from now on in one conversation also the names that were told in another."""
        self._add(self._told.get(told_in, set()), conversation)

    def row(self, value: Any, conversation: str) -> Any:
        """The value with all texts in it masked."""
        match value:
            case str():
                return self.text(value, conversation)
            case list():
                return [self.row(each, conversation) for each in value]
            case dict():
                tools = "role" in value or "arguments" in value  # there `name` is that of a tool
                kept = KEPT | {"name"} if tools else KEPT
                return {key: each if key in kept else self.row(each, conversation) for key, each in value.items()}
            case _:
                return value

    def text(self, text: str, conversation: str) -> str:
        """The text with placeholders."""
        key = (conversation, text)
        if key not in self._masked:
            if len(self._masked) >= REMEMBERED_TEXTS:
                self._masked.clear()
            self._masked[key] = self._with_placeholders(text, conversation)
        masked, kinds = self._masked[key]
        if kinds:
            self._counts.update(kinds)
        return masked

    def user(self, user: str, conversation: str) -> str:
        """A user's id, which need not look like a name."""
        return user if user.casefold() in NO_NAMES else self._placeholder(NAME, user, conversation)

    def _with_placeholders(self, text: str, conversation: str) -> tuple[str, tuple[str, ...]]:
        """The text, and the kind of each placeholder in it."""
        parts: list[str] = []
        kinds: list[str] = []
        at = 0
        for start, end, kind in self._find(text, conversation):
            parts += (text[at:start], self._placeholder(kind, text[start:end], conversation))
            kinds.append(kind)
            at = end
        return "".join((*parts, text[at:])), tuple(kinds)

    def _placeholder(self, kind: str, value: str, conversation: str) -> str:
        numbers = self._numbers.setdefault((conversation, kind), {})
        key = " ".join(_POSSESSIVE.sub("", value).casefold().split())
        if key not in numbers:
            same = _same_person(key, numbers) if kind == NAME else None
            numbers[key] = 1 + max(numbers.values(), default=0) if same is None else numbers[same]
        return f"[{kind}_{numbers[key]}]"

    def _find(self, text: str, conversation: str) -> tuple[tuple[int, int, str], ...]:
        """Start, end and kind of all that is to be masked, in order."""
        shaped = found_in(text)
        named = [each for each in self._named(text, conversation) if not any(_overlap(each, other) for other in shaped)]
        return tuple(sorted([(found.start, found.end, found.kind) for found in shaped] + named))

    def _named(self, text: str, conversation: str) -> Iterator[tuple[int, int, str]]:
        taken: list[tuple[int, int]] = []
        for start, end in [*_introduced(text), *(_cued(text) if self._spoken else ())]:
            if not any(one < end and start < other for one, other in taken):
                taken.append((start, end))
                yield start, end, NAME
        reached = 0
        if self._names is None:
            self._names = _Names(self._everywhere)
        known = {*self._names.found(text), *self._told_in(conversation).found(text)}
        for start, end in sorted(known, key=lambda span: (span[0], -span[1])):
            if start >= reached and not any(one < end and start < other for one, other in taken):
                reached = _with_surname(text, end)
                yield start, reached, NAME

    def _learn_own(self, text: str) -> None:
        own = {_without_others(match["name"]) for match in _OWN.finditer(text)} - {""}
        if not own <= self._everywhere:
            self._everywhere |= own
            self._names = None
            self._masked.clear()

    def _add(self, names: set[str], conversation: str) -> None:
        if names <= self._told.get(conversation, set()):
            return
        self._told.setdefault(conversation, set()).update(names)
        self._names_of.pop(conversation, None)
        self._masked.clear()

    def _told_in(self, conversation: str) -> "_Names":
        if conversation not in self._told:
            return _NONE
        if conversation not in self._names_of:
            if len(self._names_of) >= REMEMBERED_CONVERSATIONS:
                self._names_of.clear()
            self._names_of[conversation] = _Names(self._told[conversation])
        return self._names_of[conversation]


class _Names:
    """Finds names that are known, in the ways in which they are written."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}  # first word -> whole names, longest first
        for form in sorted({form for name in names for form in _forms(name)}, key=lambda form: (-len(form), form)):
            self._names.setdefault(form[0], []).append(" ".join(form))
        self._first_words = regex.compile(r"(?<![^\W_])\L<first>(?![^\W_])", first=list(self._names))

    def found(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of the longest name at each place; they may overlap."""
        for match in self._first_words.finditer(text) if self._names else ():
            if end := self._end_of(text, match.start(), match.group()):
                yield match.start(), end

    def _end_of(self, text: str, start: int, word: str) -> int:
        """Where the longest known name that begins here ends; 0 where none does."""
        for form in self._names[word]:
            end = start + len(form)
            if text.startswith(form, start) and not text[end : end + 1].isalnum():
                return end
        return 0


_NONE: Final = _Names(())


def _told(text: str, spoken: bool) -> Iterator[str]:
    """Names that the words around them tell."""
    for start, end in [*_introduced(text), *(_cued(text) if spoken else ())]:
        if name := _without_others(text[start:end]):
            yield name


def _without_others(name: str) -> str:
    """The name alone of what begins with one ("Tom Monday"); empty where nothing of it is one."""
    words = (_POSSESSIVE.sub("", word) for word in _WORDS.findall(name))
    return " ".join(takewhile(lambda word: word.casefold() not in NO_SURNAMES, words))


def _introduced(text: str) -> list[tuple[int, int]]:
    """Names that people give themselves: "my name is Anna Schmidt"."""
    lowered = text.casefold()
    if not any(cue in lowered for cue in ("my name", "am called", "call me")):
        return []
    found = []
    for match in _INTRODUCED.finditer(text):
        start = match.end("name") - len(match["name"].strip()) if match["name"] else match.start("lower")
        found.append((start, match.end()))
    return found


def _cued(text: str) -> Iterator[tuple[int, int]]:
    """Names where somebody is to be called, met or told something, and before what is theirs."""
    owners = _OWNER.finditer(text) if "'s " in text or "’s " in text else ()
    for match in (*_CUED.finditer(text), *owners):
        start, end = match.span("name")
        for word in _WORDS.finditer(text, start, end):
            if word.group().casefold() in NO_SURNAMES:
                end = word.start()
                break
        if found := text[start:end].rstrip():
            yield start, start + len(found)


def _forms(name: str) -> Iterator[tuple[str, ...]]:
    """The ways in which a name is written: as it stands and with capitals, whole and its words one by one."""
    words = tuple(_POSSESSIVE.sub("", word) for word in _WORDS.findall(name))
    if not words or words[0].casefold() in ("the", "my", "your") or all(word.casefold() in NO_NAMES for word in words):
        return
    told = {words, *((word,) for word in words if len(word) > NAME_CHARS_MIN and word.casefold() not in NO_NAMES)}
    for form in sorted(told):
        if len("".join(form)) < NAME_CHARS_MIN:
            continue
        yield from sorted({form, tuple(word[:1].upper() + word[1:] for word in form)})


def _same_person(name: str, numbered: Mapping[str, int]) -> str | None:
    """A name that begins alike, as long as one of the two is a first name alone: Tom is Tom Becker."""
    first, *others = name.split()
    alike = [known for known in numbered if known.split()[0] == first and (not others or known == first)]
    return alike[0] if alike else None


def _with_surname(text: str, end: int) -> int:
    """Where a name ends: a word with a capital right behind it belongs to it, unless it is known to be none."""
    surname = _SURNAME.match(text, end)
    return surname.end("word") if surname is not None and surname["word"].casefold() not in NO_SURNAMES else end


def _overlap(one: tuple[int, int, str], other: Found) -> bool:
    return one[0] < other.end and other.start < one[1]
