"""The card of prepared texts: what is in them, how they are written, what was left out, how to make them again. Pure.

Holds no time, host or path but the files' names, so that the same folder gives the same card.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.export.card import data_files, duplicates, masked_and_files, table
from pipeline.export.splitting import TEST_PERCENT, TEXT_SPLITS
from pipeline.export.writing import Written
from pipeline.texts.folder import Folder
from pipeline.texts.preparing import Document, Prepared, Wanted
from pipeline.texts.style import system_prompt

KIND: Final = "texts"
NOT_MASKED: Final = (
    'names other than those that somebody gives as his own ("my name is …"), numbers spelt in words, birthdays, and '
    "whatever only its meaning makes personal; read a sample before you give the data away"
)
_BY_HASH: Final = f"a hash of each file's name in the folder: {TEST_PERCENT} % of them are validation"


def card(
    folder: Folder,
    prepared: Prepared,
    wanted: Wanted,
    tokenizer: str,
    tokenizer_option: Sequence[str],
    validation: Sequence[str],
    files: Sequence[Written],
) -> dict[str, Any]:
    """The card for programs. `validation`: the patterns that chose the split; none: a hash did."""
    masked = Counter[str]()
    for example in prepared.examples:
        masked.update(example.masked)
    tokens = [example.tokens for example in prepared.examples]
    style = prepared.style
    return {
        "kind": KIND,
        "says": "passages to imitate: messages, each answer a passage of a text",
        "command": command(wanted, tokenizer_option, validation),
        "rows": {split: sum(one.split == split for one in prepared.examples) for split in TEXT_SPLITS},
        "files_read": {split: sum(one.split == split for one in prepared.documents) for split in TEXT_SPLITS},
        "left_out": dict(sorted((folder.left_out + prepared.left_out).items())),
        "duplicates": duplicates(prepared.without),
        "split": {"by": f"files that match {', '.join(validation)}" if validation else _BY_HASH},
        "chunks": {
            "tokenizer": tokenizer,
            "least": wanted.least,
            "most": wanted.most,
            "tokens": sum(tokens),
            "tokens_left_out": sum(one.tokens_left_out for one in prepared.documents),
            "shortest": min(tokens, default=0),
            "longest": max(tokens, default=0),
        },
        "style": None if style is None else style.figures,
        "system_prompt": None if style is None else system_prompt(style),
        "masked": dict(sorted(masked.items())) if wanted.mask else None,
        "not_masked": NOT_MASKED if wanted.mask else "everything: masking was switched off",
        "sources_sha256": _digest(prepared.documents),
        "files": [{"name": one.name, "rows": one.rows, "bytes": one.size_bytes, "sha256": one.sha256} for one in files],
    }


def command(wanted: Wanted, tokenizer_option: Sequence[str], validation: Sequence[str]) -> str:
    """The command that makes it again, but for the folders."""
    usual = Wanted()
    told = [
        *tokenizer_option,
        *(["--min-tokens", str(wanted.least)] if wanted.least != usual.least else []),
        *(["--max-tokens", str(wanted.most)] if wanted.most != usual.most else []),
        *(part for pattern in validation for part in ("--validation", f"'{pattern}'")),
        *([] if wanted.mask else ["--keep-personal-data"]),
    ]
    return " ".join(["scripts/prepare_texts FOLDER --out DIR", *told])


def documents(prepared: Prepared) -> list[dict[str, Any]]:
    """A row for each file."""
    return [
        {
            "file": one.file.name,
            "sha256": one.file.sha256,
            "split": one.split,
            "chunks": one.chunks,
            "tokens_left_out": one.tokens_left_out,
            "system_prompt": one.system,
            "style": None if one.style is None else one.style.figures,
        }
        for one in prepared.documents
    ]


def readme(told: Mapping[str, Any]) -> str:
    """The card for people, with the head from which `datasets` knows the files."""
    chunks = told["chunks"]
    return "\n".join(
        [
            *data_files(told),
            "---",
            f"# {told['kind']}: {told['says']}",
            "",
            "Made from a folder of .txt and .md files by",
            "",
            f"    {told['command']}",
            "",
            "TRL SFTTrainer, axolotl (type: chat_template) and unsloth read `messages`.",
            "",
            "## Rows",
            *table(
                ("split", "files", "rows"),
                [(each, told["files_read"][each], told["rows"][each]) for each in TEXT_SPLITS],
            ),
            "",
            f"A file is wholly in one split, by {told['split']['by']}. Each answer has {chunks['least']} to "
            f"{chunks['most']} tokens of {chunks['tokenizer']} (found: {chunks['shortest']} to {chunks['longest']}, "
            f"{chunks['tokens']} in all), and ends with a sentence.",
            "",
            "## Style",
            *(
                ["", "No text, no style."]
                if told["style"] is None
                else table(("figure", "of all texts"), list(told["style"].items()))
            ),
            "",
            "Each file has its own figures (`sources/documents.jsonl`) and the system prompt that says them. To ask "
            "the tuned model for more, that of all texts together is:",
            "",
            f"> {told['system_prompt']}",
            "",
            "## Left out",
            *table(("why", "how many"), [*told["left_out"].items(), *told["duplicates"].items()]),
            "",
            f"{chunks['tokens_left_out']} tokens are in no row.",
            "",
            *masked_and_files(told),
            f"The texts themselves, by their names and bytes: {told['sources_sha256']}. `sources/` tells for each row "
            "the file that it came from; keep it to yourself.",
            "",
        ]
    )


def _digest(read: Sequence[Document]) -> str:
    lines = "".join(f"{one.file.sha256}  {one.file.name}\n" for one in read)
    return hashlib.sha256(lines.encode()).hexdigest()
