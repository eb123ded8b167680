"""The formats that TRL documents (docs/source/dataset_formats), checked by hand: in a moment, and row by row.

TRL and `datasets` themselves read exports in test_trl.py, in an environment of their own.
"""

import json
from collections.abc import Iterator
from typing import Any

ROLES = {"system", "user", "assistant", "tool"}


def wrong_with(kind: str, row: dict[str, Any]) -> Iterator[str]:
    """One line for each thing that a trainer would not take."""
    match kind:
        case "sft":
            yield from _conversation(row["messages"])
            if row["messages"][-1]["role"] != "assistant":
                yield "it does not end with a reply"
            called = any("tool_calls" in message for message in row["messages"])
            if called != ("tools" in row):
                yield "tool calls and tools do not go together"
            if set(row) - {"messages", "tools"}:
                yield f"more than messages and tools: {sorted(row)}"
            for tool in json.loads(row.get("tools", "[]")):
                if tool["type"] != "function" or tool["function"]["parameters"]["type"] != "object":
                    yield f"no definition of a function: {tool}"
        case "dpo":
            if set(row) != {"prompt", "chosen", "rejected"}:
                yield f"other columns: {sorted(row)}"
            yield from _prompt(row["prompt"])
            for side in ("chosen", "rejected"):
                if [message["role"] for message in row[side]] != ["assistant"] or not row[side][0]["content"]:
                    yield f"{side} is not one reply"
            if row["chosen"] == row["rejected"]:
                yield "nothing to choose"
        case "feedback":
            yield from _prompt(row["prompt"])
            if row["label"] not in (True, False, None) or [one["role"] for one in row["completion"]] != ["assistant"]:
                yield "no completion with a label"
        case "intent":
            if not len(row["labels"]) == len(row["parts"]) == len(row["slots"]) > 0:
                yield "labels, parts and slots differ in number"
        case "ranking":
            if len(row["candidates"]) != len(row["scores"]) or not 0 <= row["chosen"] < len(row["candidates"]):
                yield "candidates, scores and choice do not fit"
        case _:
            yield f"no such kind: {kind}"


def _prompt(messages: list[dict[str, Any]]) -> Iterator[str]:
    yield from _conversation(messages)
    if messages[-1]["role"] != "user":
        yield "the prompt does not end with the user"


def _conversation(messages: list[dict[str, Any]]) -> Iterator[str]:
    """One system message first, then user and assistant in turns; tools answer calls one by one."""
    if not all(message["role"] in ROLES and isinstance(message["content"], str) for message in messages):
        yield "a message without a role or a text"
    talk = [message["role"] for message in messages if message["role"] != "tool" and "tool_calls" not in message]
    if talk[0] == "system":
        talk = talk[1:]
    if talk != [("user", "assistant")[place % 2] for place in range(len(talk))]:
        yield f"roles do not take turns: {talk}"
    for place, message in enumerate(messages):
        calls = message.get("tool_calls", [])
        answers = [one for one in messages[place + 1 : place + 1 + len(calls)] if one["role"] == "tool"]
        if [call["function"]["name"] for call in calls] != [answer["name"] for answer in answers]:
            yield "calls without their results"
        if any(call["type"] != "function" or not isinstance(call["function"]["arguments"], dict) for call in calls):
            yield "a call that is no call of a function"
