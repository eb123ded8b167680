"""Forgetting what was said: a person's history, or one conversation of it, which later replies then know no more."""

from schemas.event import Count, Fact, Uuid7


class _Forgetting(Fact):
    """Common to what is submitted and what is recorded. Whose history it is stands in the event's meta."""

    only: Uuid7 | None = None  # this conversation; None: all of them


class HistoryForgetGiven(_Forgetting):
    """The user whom the event's meta names wants their history forgotten. Its turn is a new one, and never opened."""


class HistoryForgotten(_Forgetting):
    """It is forgotten. What was said meanwhile, or is being answered, stays."""

    turns: Count  # how many went
