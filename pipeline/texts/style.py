"""Measures how a text is written, and says it in a system prompt. Pure. The words that it knows are English.

Figures: sentence length, how it varies, word length; variety (the mean share of different words in a window that moves
over the text: moving-average type-token ratio, which unlike the plain ratio does not fall with length); contractions
and each person's pronouns by the hundred words; commas, semicolons and dashes by the sentence; questions, exclamations
and speech in quotation marks as shares.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, pstdev
from typing import Final

from pipeline.export.masking import PLACEHOLDER

WINDOW_WORDS: Final = 100
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CONTRACTION: Final = re.compile(r".+(?:n['’]t|['’](?:re|ve|ll|d|m))|(?:it|that|there|he|she|what|who|let)['’]s", re.I)
_SPEECH: Final = re.compile(r"“[^”]+”|\"[^\"]+\"|«[^»]+»|„[^“]+“")
_PRONOUNS: Final = {
    "first": "i me my mine myself we us our ours ourselves",
    "second": "you your yours yourself yourselves",
    "third": "he him his himself she her hers herself they them their theirs themselves",
}
_PERSONS: Final = {name: frozenset(words.split()) for name, words in _PRONOUNS.items()}
_ROUNDED: Final = 2


@dataclass(frozen=True, slots=True)
class Style:
    """The figures of one text."""

    sentences: int
    words: int
    words_a_sentence: float
    words_a_sentence_deviation: float
    letters_a_word: float
    variety: float  # 0 to 1
    contractions: float  # by 100 words, like the persons
    first_person: float
    second_person: float
    third_person: float
    commas: float  # by sentence, like the next two
    semicolons: float
    dashes: float
    questions: float  # share of sentences, 0 to 1, like the next
    exclamations: float
    speech: float  # share of the words that stand in quotation marks, 0 to 1

    @property
    def figures(self) -> dict[str, float]:
        return {name: round(value, _ROUNDED) for name, value in asdict(self).items()}


def measured(sentences: Sequence[str]) -> Style | None:
    """The style of a text in sentences; None when it has no words."""
    told = [PLACEHOLDER.sub(" ", sentence).strip() for sentence in sentences]
    lengths = [count for sentence in told if (count := len(_WORD.findall(sentence)))]
    text = "\n".join(told)
    words = _WORD.findall(text)
    if not words:
        return None
    lower = [word.lower() for word in words]
    pronouns = {name: 100 * sum(word in person for word in map(_bare, lower)) for name, person in _PERSONS.items()}
    ends = Counter(sentence.rstrip("\"'”’»)] ")[-1:] for sentence in told)
    quoted = sum(len(_WORD.findall(found)) for found in _SPEECH.findall(text))
    return Style(
        sentences=len(lengths),
        words=len(words),
        words_a_sentence=fmean(lengths),
        words_a_sentence_deviation=pstdev(lengths),
        letters_a_word=fmean(len(word) for word in words),
        variety=_variety(lower),
        contractions=100 * sum(bool(_CONTRACTION.fullmatch(word)) for word in words) / len(words),
        first_person=pronouns["first"] / len(words),
        second_person=pronouns["second"] / len(words),
        third_person=pronouns["third"] / len(words),
        commas=text.count(",") / len(lengths),
        semicolons=text.count(";") / len(lengths),
        dashes=len(re.findall(r"—|\s[–-]{1,2}\s|\w--\w", text)) / len(lengths),
        questions=ends["?"] / len(lengths),
        exclamations=ends["!"] / len(lengths),
        speech=min(1.0, quoted / len(words)),
    )


def system_prompt(style: Style) -> str:
    """The figures in words, each rounded to what can be told apart, so that texts of one hand have one prompt."""
    told = [
        f"You are an author who writes {_person(style)}in {_length(style)}",
        f"with {_vocabulary(style)} vocabulary, in {_tone(style)} tone",
    ]
    habits = [
        *(["much dialogue"] if style.speech >= 0.25 else ["some dialogue"] if style.speech >= 0.05 else []),
        *(["many questions"] if style.questions >= 0.12 else []),
        *(["exclamations"] if style.exclamations >= 0.08 else []),
        *(["many commas"] if style.commas >= 1.5 else []),
        *(["semicolons"] if style.semicolons >= 0.1 else []),
        *(["dashes"] if style.dashes >= 0.1 else []),
    ]
    using = f", using {_joined(habits)}" if habits else ""
    address = " You address the reader as you." if style.second_person >= 1.5 and style.speech < 0.25 else ""
    return f"{', '.join(told)}{using}.{address}"


def _bare(word: str) -> str:
    """A pronoun without what is joined to it: "I'm", "you've"."""
    return re.split(r"['’]", word, maxsplit=1)[0]


def _variety(words: Sequence[str]) -> float:
    window = min(WINDOW_WORDS, len(words))
    counts = Counter(words[:window])
    shares = [len(counts) / window]
    for leaving, coming in zip(words, words[window:], strict=False):
        counts[leaving] -= 1
        if not counts[leaving]:
            del counts[leaving]
        counts[coming] += 1
        shares.append(len(counts) / window)
    return fmean(shares)


def _person(style: Style) -> str:
    narrated = {"first": style.first_person, "third": style.third_person}
    person = max(narrated, key=lambda name: narrated[name])
    return f"in the {person} person, " if narrated[person] >= 2 else ""


def _length(style: Style) -> str:
    mean = style.words_a_sentence
    length = "short" if mean < 10 else "medium-length" if mean < 18 else "long" if mean < 28 else "very long"
    varied = " of very different length" if style.words_a_sentence_deviation > 0.8 * mean else ""
    return f"{length} sentences{varied} (about {5 * max(1, round(mean / 5))} words)"


def _vocabulary(style: Style) -> str:
    return "a plain" if style.variety < 0.64 else "a varied" if style.variety < 0.74 else "a rich"


def _tone(style: Style) -> str:
    if style.contractions >= 1:
        return "an informal"
    return "a formal" if style.contractions < 0.2 and style.letters_a_word >= 4.6 else "a neutral"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
