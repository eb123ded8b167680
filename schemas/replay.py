"""That a turn was run again: the first event of each turn of a run other than the live one."""

from typing import ClassVar

from pydantic import Field

from schemas.event import Fact, Token

CHANGES_MAX = 64


class TurnReplayed(Fact):
    """A logged turn is run again from one stage on; what was said before that stage is repeated as it was.

    `changed` are the settings that differ from the configuration, by their dotted names; secrets are left out.
    """

    once: ClassVar[bool] = True
    of: Token  # the run that is repeated
    start: Token  # the first stage that does its work anew
    changed: dict[str, str] = Field(default_factory=dict, max_length=CHANGES_MAX)
