"""The dataset's card: what is in it, where from, what was left out and masked, and how to make it again. Pure.

Holds no time, host or path, so that the same log gives the same card.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.event_log.reports import EVER
from infra.near_duplicates import LIKE
from pipeline.export import reading
from pipeline.export.deduplication import Without
from pipeline.export.exporting import Done, Order
from pipeline.export.splitting import TEST_PERCENT
from schemas.ids import LIVE_RUN

NOT_MASKED: Final = (
    'names that no intent, skill or user id told the log and that stand behind no such word as "call", organisations, '
    "places without a street or a postcode, numbers spelt in words, birthdays, phones of other countries without their "
    "+code, and whatever only its meaning makes personal; read a sample before you give the data away"
)
_LOADS: Final = {
    "sft": "TRL SFTTrainer, axolotl (type: chat_template) and unsloth read `messages`; `tools` is JSON text. "
    "Where skills acted, train from the JSON lines: in Parquet the arguments of tool calls are JSON text too.",
    "dpo": "TRL DPOTrainer, axolotl (rl: dpo, type: chat_template.default) and unsloth read it as it is.",
    "feedback": "TRL KTOTrainer reads the rows whose `label` is not null.",
}


def card(order: Order, done: Done, older_prompts: int) -> dict[str, Any]:
    """The card for programs."""
    wanted, choice = order.wanted, order.choice
    return {
        "kind": order.kind.name,
        "says": order.kind.says,
        "rows": dict(done.rows),
        "turns_read": done.turns,
        "left_out": dict(done.left_out),
        "duplicates": duplicates(done.without),
        "split": {"by": "hash of the conversation's id", "test_percent": TEST_PERCENT},
        "masked": dict(done.masked) if order.mask else None,
        "not_masked": NOT_MASKED if order.mask else "everything: masking was switched off",
        "system_prompts_of_today": older_prompts,
        "query": {
            "command": command(order),
            "run": wanted.run,
            "since": wanted.since.isoformat() if wanted.since != EVER else None,
            "conversation": wanted.conversation,
            "upto_log_seq": done.upto,
            "confidence_min": choice.confidence_min,
            "sql": {
                "turns": reading.IDS.strip(),
                "events": reading.PAGE.strip(),
                "feedback and persona": reading.TOLD.strip(),
            },
        },
        "files": [
            {"name": one.name, "rows": one.rows, "bytes": one.size_bytes, "sha256": one.sha256} for one in done.files
        ],
    }


def command(order: Order) -> str:
    """The command that makes it again, but for the folder."""
    wanted, choice = order.wanted, order.choice
    told = [
        *(["--since", wanted.since.isoformat()] if wanted.since != EVER else []),
        *(["--conversation", wanted.conversation] if wanted.conversation else []),
        *(["--run", wanted.run] if wanted.run != LIVE_RUN else []),
        *(["--include-failed"] if choice.failed else []),
        *(["--include-interrupted"] if choice.interrupted else []),
        *(["--include-low-confidence"] if choice.low_confidence else []),
        *(["--include-fallback"] if choice.fallback else []),
        *([] if order.format == "jsonl" else ["--format", order.format]),
        *([] if order.mask else ["--no-mask"]),
    ]
    return " ".join(["parley export", order.kind.name, "--out DIR", *told])


def readme(told: Mapping[str, Any]) -> str:
    """The card for people, with the head from which `datasets` knows the files."""
    head = data_files(told)
    query = told["query"]
    loads = _LOADS.get(told["kind"])
    return "\n".join(
        [
            *head,
            "---",
            f"# {told['kind']}: {told['says']}",
            "",
            "Made from a Parley event log by",
            "",
            f"    {query['command']}",
            "",
            f"out of {told['turns_read']} turns of run `{query['run']}`, log entries 1 to {query['upto_log_seq']}.",
            *(["", loads] if loads else []),
            "",
            "## Rows",
            *table(("split", "rows"), list(told["rows"].items())),
            "",
            f"A conversation is wholly in one split: {told['split']['test_percent']} % of them, by a hash of the id, "
            "are test.",
            "",
            "## Left out",
            *table(("why", "turns or pairs"), [*told["left_out"].items(), *told["duplicates"].items()]),
            *_prompts(told["system_prompts_of_today"]),
            "",
            *masked_and_files(told),
            "`sources/` tells for each row the conversation and the turn that it came from; keep it to yourself.",
            "",
        ]
    )


def data_files(told: Mapping[str, Any]) -> list[str]:
    """The beginning of a README's head: from it `datasets` knows the files."""
    data = [one["name"] for one in told["files"] if "/" not in one["name"]]
    suffix = "jsonl" if any(name.endswith(".jsonl") for name in data) else "parquet"
    head = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, rows in told["rows"].items():
        if rows:
            head += [f"  - split: {split}", f"    path: {split}.{suffix}"]
    return head


def as_json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def duplicates(without: Without) -> dict[str, int]:
    """How many rows were left out for being like another."""
    return {
        "exact duplicates": without.exact,
        f"near duplicates (likeness {LIKE} or more)": without.near,
        "of both: across the splits": without.leaking,
    }


def _prompts(older: int) -> list[str]:
    if not older:
        return []
    return [
        "",
        f"{older} turns are told with today's system prompt: the log holds only the hash of their own.",
    ]


def masked_and_files(told: Mapping[str, Any]) -> list[str]:
    """The lines of what was masked, and of the files."""
    masked = told["masked"]
    return [
        "## Personal data",
        *(table(("masked as", "places"), list(masked.items())) if masked else [""]),
        *(["nothing was found to mask"] if masked == {} else []),
        "",
        f"Not masked: {told['not_masked']}.",
        "",
        "## Files",
        *table(
            ("file", "rows", "bytes", "sha256"),
            [(one["name"], one["rows"], one["bytes"], one["sha256"]) for one in told["files"]],
        ),
        "",
    ]


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return ["", *lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]
