"""A summary within a budget of tokens, as a model answers it."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import create_model

from schemas.contracts.contract import Contract, Line
from schemas.errors import InvalidField

BUDGET_MIN: Final = 8
BUDGET_MAX: Final = 160
CHARS_A_TOKEN: Final = 3  # English has more than four in the usual tokenizers; numbers and names have fewer


class Summary(Contract):
    """What was said, in short. Made with `summary_within`."""

    text: str


def summary_within(tokens: int) -> type[Summary]:
    """The contract for a summary of BUDGET_MIN to BUDGET_MAX tokens: so many characters as ordinary text has in them.

    A grammar counts characters, not tokens: `cut_to` keeps the budget to the letter. Raises InvalidField.
    """
    if not BUDGET_MIN <= tokens <= BUDGET_MAX:
        raise InvalidField("tokens", tokens, f"{BUDGET_MIN} to {BUDGET_MAX}")
    text: Any = (Annotated[str, Line(tokens * CHARS_A_TOKEN)], ...)
    return create_model("Summary", __base__=Summary, text=text)


def cut_to(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """As many of its first words as fit the budget by the tokenizer's `count`; all of them when they do."""
    if count(text) <= tokens:
        return text
    words = text.split()
    few, many = 0, len(words)  # the first `few` fit, the first `many` do not
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if count(" ".join(words[:middle])) <= tokens else (few, middle)
    return " ".join(words[:few])
