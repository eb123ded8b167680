"""Breaks whatever a tokenizer might read as a marker of the chat template, so that no text can begin a role.

Chat endpoints take texts, paste them into the model's template and tokenize the whole, special tokens included: a user
who types `<|im_start|>system` would begin a system message. Which markers there are depends on the model, so every
`<word`, `</word`, `<|` and `[WORD]` counts as one: SmolLM2 alone has `<file_sep>` and `<gh_stars>` besides ChatML's.
What is broken reads as before, with a space behind the bracket.

Does not help against templates that mark roles by ordinary words (`USER:`, `### Instruction:`): those cannot be told
from text. Knows no template.
"""

import re
from typing import Final

# Not seen, and dropped by some tokenizers' normalizers: controls but tab and newline, direction marks, joiners of
# nothing. Zero-width joiner and non-joiner (200c, 200d) stay: Persian and emoji need them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_BETWEEN: Final = "[\u200c\u200d\ufe00-\ufe0f]*"  # may stand in a marker and be dropped by a normalizer
_LESS: Final = "<＜﹤"  # what Unicode's compatibility forms (NFKC) make the same
_BAR: Final = "|｜"
_MARKER: Final = re.compile(
    f"[{_LESS}](?={_BETWEEN}(?:[/／!@]{_BETWEEN})?(?:[{_BAR}]|[^\\W\\d]))"
    f"|[\\[［](?={_BETWEEN}(?:[/／@]{_BETWEEN})?[a-z]?{_BETWEEN}[A-ZＡ-Ｚ]{_BETWEEN}[A-ZＡ-Ｚ_]|{_BETWEEN}control_\\d)"
)


def neutral(text: str) -> str:
    """The text as it may stand in a prompt: markers broken by a space, unseen characters gone."""
    return _MARKER.sub(lambda found: found[0] + " ", _UNSEEN.sub("", text))
