"""Chooses how much of a conversation goes into a prompt: the latest turns that fit a number of tokens.

An engine keeps what it has computed of a prompt and computes only what differs from there on. A window that moves by a
turn each turn would make all of the history new each time, so it moves by blocks of turns: its beginning stands still
until it is full, and then goes on to the next turn whose number in the conversation is a multiple of the block.

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
    ascii_chars = len(text) if text.isascii() else sum(char.isascii() for char in text)
    return math.ceil(ascii_chars / _ASCII_CHARS_PER_TOKEN + (len(text) - ascii_chars) * _OTHER_TOKENS_PER_CHAR)


def remembered(history: Sequence[HistoryEntry], max_turns: int, max_tokens: int, block: int = 1) -> tuple[Message, ...]:
    """The latest turns in their order, each as what was asked and what was answered. Unanswered ones are left out.

    They begin with the conversation, or with a turn whose number is a multiple of `block`; only where no such turns
    fit, with any. Entries without a number count from the first one given.
    """
    said = [
        (entry.number if entry.number is not None else place, entry)
        for place, entry in enumerate(history)
        if entry.reply.strip() and entry.user.strip()
    ]
    kept = _fitting([entry for _, entry in said], max_turns, max_tokens)
    if kept < len(said):
        # The first turn of each block: also where the turn of that very number was never answered.
        blocks = [number // block for number, _ in said]
        begins = [place for place in range(1, len(said)) if blocks[place] != blocks[place - 1]]
        kept = next((len(said) - place for place in begins if len(said) - place <= kept), kept)
    messages: list[Message] = []
    for _, entry in said[len(said) - kept :]:
        messages += (Message("user", entry.user), Message("assistant", entry.reply))
    return tuple(messages)


def _fitting(entries: Sequence[HistoryEntry], max_turns: int, max_tokens: int) -> int:
    """How many of the latest turns are within both limits."""
    left = max_tokens
    for count, entry in enumerate(reversed(entries[-max_turns:])):
        left -= tokens_of(entry.user) + tokens_of(entry.reply) + 2 * _MESSAGE_TOKENS
        if left < 0:
            return count
    return min(len(entries), max_turns)


def shortened(text: str, max_tokens: int) -> str:
    """The beginning of a text, at most so many tokens long, ending with a whole word where there is one."""
    if tokens_of(text) <= max_tokens:
        return text
    end = len(text)
    while tokens_of(text[:end]) > max_tokens:
        end = end * 9 // 10
    cut = text[:end]
    return (cut.rsplit(None, 1)[0] if " " in cut else cut) + " ..."
