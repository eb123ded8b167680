"""Cuts a text that is still being written into sentences, each told as soon as it is certain to be complete.

pysbd knows the boundaries of English ("Dr. Smith", "3 p.m.", "$4.50"); this file adds what a stream needs: when to
ask it, and a limit on the length of what is spoken in one go.
"""

import re
from typing import Final

import pysbd

SENTENCE_MAX_CHARS: Final = 240  # about 15 s of speech; a run-on is divided at a clause before that
_CLAUSE_MIN_CHARS: Final = 40  # a shorter piece sounds chopped
# The end of a sentence may lie here. After ! and ? one character of the next word is enough to be certain; after a full
# stop as well, when a longer word stands before it and a capital after it; otherwise the whole next word is needed.
_MAY_END: Final = re.compile(
    r"""[!?…]["'”’)\]]*\s+\S | [a-z]{4,}\.["'”’)\]]*\s+["'“‘(]?[A-Z] | \.["'”’)\]]*\s+\S+\s | \n\s*\S""", re.VERBOSE
)
_CLAUSE_END: Final = re.compile(r"[,;:]\s+|\s+[–—-]\s+|\s+(?=(?:and|but|or|because|so|which|while|then)\s)")
# pysbd takes these for the end of a sentence, and a lower-case letter for the beginning of one.
_ABBREVIATION_END: Final = re.compile(r"\b(?:approx|km|cm|mm|kg|lb|oz|ft|min|max|tel|ext|incl|no|vol|pp?)\.\s*\Z", re.I)
_NUMBERED: Final = re.compile(r"(?:^|\s)\(?\d{1,3}[.)]\s*\Z")  # "1." before its item


class SentenceStream:
    """Takes a text piece by piece."""

    def __init__(self) -> None:
        self._pending = ""
        self._considered = 0  # characters of the pending text in which no end was found
        self._segmenter = pysbd.Segmenter(language="en", clean=False)

    @property
    def pending(self) -> str:
        """What belongs to a sentence that may still go on."""
        return self._pending

    def feed(self, piece: str) -> list[str]:
        """The sentences that are now certain to be complete, without white space around them."""
        self._pending += piece
        ends = [found.end() for found in _MAY_END.finditer(self._pending)]
        complete: list[str] = []
        if ends and ends[-1] > self._considered:
            *complete, self._pending = self._divided(self._pending)
            self._considered = 0 if complete else ends[-1]
        while len(self._pending) > SENTENCE_MAX_CHARS:
            clause, self._pending = _shortened(self._pending)
            complete.append(clause)
            self._considered = 0
        return [sentence for found in complete if (sentence := " ".join(found.split()))]

    def rest(self) -> list[str]:
        """The sentences that the end of the text completes."""
        divided = self._divided(self._pending)
        self._pending, self._considered = "", 0
        return [part for found in divided for part in _short_enough(" ".join(found.split())) if part]

    def _divided(self, text: str) -> list[str]:
        """The text in sentences, white space kept; the last one may be incomplete."""
        found: list[str] = []
        for line in text.splitlines(keepends=True) or [""]:
            for part in self._parts(line):
                if found and not found[-1].endswith("\n") and _belongs(found[-1], part):
                    found[-1] += part
                else:
                    found.append(part)
        if text.endswith("\n"):
            found.append("")
        return found

    def _parts(self, line: str) -> list[str]:
        """pysbd's cuts of a line, or the line itself where it loses something (it does, of "?.??")."""
        if not line.strip():
            return [line]
        parts = list(self._segmenter.segment(line))
        return parts if "".join("".join(parts).split()) == "".join(line.split()) else [line]


def sentences_of(text: str) -> list[str]:
    """A finished text in sentences."""
    stream = SentenceStream()
    return [*stream.feed(text), *stream.rest()]


def whole_sentences(text: str) -> list[str]:
    """A finished text in sentences, however long, with the white space behind each: joined they are the text."""
    return SentenceStream()._divided(text)


def _belongs(before: str, part: str) -> bool:
    """Whether what pysbd took apart is one sentence."""
    lower = part.lstrip("\"'“‘(")[:1].islower()
    return lower or bool(_ABBREVIATION_END.search(before)) or bool(_NUMBERED.search(before))


def _short_enough(sentence: str) -> list[str]:
    parts: list[str] = []
    while len(sentence) > SENTENCE_MAX_CHARS:
        clause, sentence = _shortened(sentence)
        parts.append(clause.strip())
    return [*parts, sentence.strip()]


def _shortened(text: str) -> tuple[str, str]:
    """A run-on in two: at its last clause, else between words, else where the limit is."""
    head = text[:SENTENCE_MAX_CHARS]
    clauses = [found.end() for found in _CLAUSE_END.finditer(head) if found.end() >= _CLAUSE_MIN_CHARS]
    at = clauses[-1] if clauses else head.rfind(" ") + 1
    at = at or SENTENCE_MAX_CHARS
    return text[:at], text[at:]
