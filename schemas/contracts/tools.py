"""Calls of Parley's tools, which are its skills: what a model proposes, before anything of it is believed.

stages/intent/tools.py makes intents of them, deterministically, or refuses them with a reason.
"""

from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, Union

from pydantic import Field, create_model

from schemas.contracts.contract import Contract
from schemas.contracts.slots import SLOTS, SlotsAnswer
from schemas.errors import InvalidField
from schemas.intents import TALK, IntentLabel

CALLS_MAX: Final = 3
TOOLS: Final = tuple(label for label in IntentLabel if label not in TALK and label is not IntentLabel.UNKNOWN)
"""The labels that a skill answers; all others are talk."""


class ToolCall(Contract):
    """One skill, and what it shall work on."""

    tool: IntentLabel
    arguments: SlotsAnswer


class ToolCalls(Contract):
    """What is to be done, in this order. Made with `tool_calls`, which knows the arguments of each tool."""

    calls: tuple[ToolCall, ...] = Field(min_length=1, max_length=CALLS_MAX)


def tool_calls(tools: Collection[IntentLabel] = TOOLS, most: int = CALLS_MAX) -> type[ToolCalls]:
    """The contract for up to `most` calls of these tools and no others. Raises InvalidField."""
    if not tools or not set(tools) <= set(TOOLS):
        raise InvalidField("tools", sorted(tools), f"some of {', '.join(TOOLS)}")
    if not 1 <= most <= CALLS_MAX:
        raise InvalidField("most", most, f"1 to {CALLS_MAX} calls")
    kinds = tuple(_call(label) for label in TOOLS if label in tools)
    call: Any = kinds[0]
    if len(kinds) > 1:
        call = Annotated[Union[kinds], Field(discriminator="tool")]  # noqa: UP007  # made at run time
    calls: Any = (tuple[call, ...], Field(min_length=1, max_length=most))
    return create_model("ToolCalls", __base__=ToolCalls, calls=calls)


def _call(label: IntentLabel) -> type[ToolCall]:
    name = "".join(word.capitalize() for word in label.value.split("_"))
    tool: Any = (Literal[label], ...)
    return create_model(name, __base__=ToolCall, tool=tool, arguments=(SLOTS[label], ...))
