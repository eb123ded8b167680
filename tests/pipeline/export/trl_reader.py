"""Runs in `.venv-trl`: loads exports with `datasets` and looks at their rows with TRL's own functions.

Reads a JSON object from standard input: by name `folder` or `files` (split -> Parquet file), and the file of a
tokenizer. Writes what it found as JSON.
"""

import json
import sys
from importlib import resources
from typing import Any

import trl
from datasets import Dataset, load_dataset
from transformers import PreTrainedTokenizerFast


def main() -> None:
    asked = json.load(sys.stdin)
    template = resources.files(trl).joinpath("chat_templates", "qwen3.jinja").read_text()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=asked["tokenizer"], chat_template=template)
    found = {name: _told(each, tokenizer) for name, each in asked["exports"].items()}
    print(json.dumps({"trl": trl.__version__, "found": found}))


def _told(export: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    loaded = (
        load_dataset("parquet", data_files=export["files"]) if "files" in export else load_dataset(export["folder"])
    )
    rows = [row for split in loaded.values() for row in split]
    told: dict[str, Any] = {
        "splits": {name: len(split) for name, split in loaded.items()},
        "columns": sorted(next(iter(loaded.values())).column_names),
        "conversational": sum(trl.is_conversational(row) for row in rows),
    }
    if told["conversational"]:
        told["texts"] = [_as_text(row, tokenizer) for row in rows]
    if {"chosen", "rejected"} <= set(told["columns"]):
        told["prompts"] = [trl.extract_prompt(_implicit(row))["prompt"] == row["prompt"] for row in rows]
        told["unpaired"] = len(trl.unpair_preference_dataset(Dataset.from_list(rows)))
    return told


def _as_text(row: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The row as TRL's trainers give it to the tokenizer: tools come as JSON text."""
    tools = row.pop("tools", None)
    text: dict[str, Any] = trl.maybe_apply_chat_template(
        row, tokenizer, tools=json.loads(tools) if isinstance(tools, str) else tools
    )
    return text


def _implicit(row: dict[str, Any]) -> dict[str, Any]:
    """A pair whose prompt stands in both answers, from which TRL is to find it again."""
    return {side: row["prompt"] + row[side] for side in ("chosen", "rejected")}


if __name__ == "__main__":
    main()
