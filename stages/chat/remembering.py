"""Chooses how much of a conversation goes into a prompt: the latest turns that fit a number of tokens.

Counts tokens without a tokenizer, on the safe side, so that it is right for every engine.
"""

import math
from collections.abc import Sequence
from typing import Final

from infra.engines.port import Message
from schemas.chat import HistoryEntry

_ASCII_CHARS_PER_TOKEN: Final = 3.0  # English has 4 to 4.5; digits and odd words bring it down
_OTHER_TOKENS_PER_CHAR: Final = 1.5  # scripts that a small vocabulary spells out in bytes
_MESSAGE_TOKENS: Final = 6  # role and markers around each message


def tokens_of(text: str) -> int:
    """About how many tokens the text has, rather too many than too few."""
    ascii_chars = sum(char.isascii() for char in text)
    return math.ceil(ascii_chars / _ASCII_CHARS_PER_TOKEN + (len(text) - ascii_chars) * _OTHER_TOKENS_PER_CHAR)


def remembered(history: Sequence[HistoryEntry], max_turns: int, max_tokens: int) -> tuple[Message, ...]:
    """The latest turns in their order, each as what was asked and what was answered. Unanswered ones are left out."""
    messages: list[Message] = []
    left = max_tokens
    for entry in reversed([entry for entry in history if entry.reply.strip() and entry.user.strip()][-max_turns:]):
        left -= tokens_of(entry.user) + tokens_of(entry.reply) + 2 * _MESSAGE_TOKENS
        if left < 0:
            break
        messages += (Message("assistant", entry.reply), Message("user", entry.user))
    return tuple(reversed(messages))


def shortened(text: str, max_tokens: int) -> str:
    """The beginning of a text, at most so many tokens long, ending with a whole word where there is one."""
    if tokens_of(text) <= max_tokens:
        return text
    end = len(text)
    while tokens_of(text[:end]) > max_tokens:
        end = end * 9 // 10
    cut = text[:end]
    return (cut.rsplit(None, 1)[0] if " " in cut else cut) + " ..."
