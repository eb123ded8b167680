"""Says what each of several texts is about: the words that it has more often than the others (tf-idf). Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.export.masking import PLACEHOLDER

SUBJECTS_MAX: Final = 4
COMMON_SHARE: Final = 0.5  # a word that more of the texts have tells nothing of one
FEW_TEXTS: Final = 6  # among so few, a word may be common and tell something all the same
_WORD: Final = r"\b[^\W\d_]{3,}(?:-[^\W\d_]+)*\b"


def subjects(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """For each text the words that tell it apart, the most telling first, as they are mostly written in it."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second to import

    told = [PLACEHOLDER.sub(" ", text) for text in texts]
    common = COMMON_SHARE if len(told) > FEW_TEXTS else 1.0
    vectorizer = TfidfVectorizer(stop_words="english", token_pattern=_WORD, max_df=common, sublinear_tf=True)
    try:
        table = vectorizer.fit_transform(told).tocsr()
    except ValueError:  # not one word is left
        return [() for _ in told]
    names = vectorizer.get_feature_names_out()
    found = []
    for place, text in enumerate(told):
        row = table[place]
        weighed = sorted(zip(row.data.round(9), names[row.indices], strict=True), key=lambda one: (-one[0], one[1]))
        found.append(_as_written(text, [str(name) for _, name in weighed[:SUBJECTS_MAX]]))
    return found


def _as_written(text: str, words: Sequence[str]) -> tuple[str, ...]:
    forms: dict[str, Counter[str]] = {word: Counter() for word in words}
    for form in re.findall(_WORD, text):
        if form.lower() in forms:
            forms[form.lower()][form] += 1
    return tuple(min(forms[word], key=lambda form: (-forms[word][form], form), default=word) for word in words)
