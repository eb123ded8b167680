"""`scripts/prepare_texts`: a folder of .txt and .md files becomes chat examples, as `parley export sft` makes them.

Exit 0 when there is something to train with, 1 when no text gave an example or the tokenizer cannot be loaded, 2 for
folders and options that cannot be.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra import settings as configuration
from infra.packages import progress, say
from infra.settings import SettingsError
from infra.tokenizing.factory import EXPECTED, FIELD, opened
from infra.tokenizing.port import TokenizerFailed
from infra.weights import WeightsMissing
from pipeline.export.splitting import Split, split_of_file
from pipeline.texts import card, folder, writing
from pipeline.texts.folder import Folder, TextFile
from pipeline.texts.preparing import TOKENS_LEAST, TOKENS_MOST, Wanted, prepare
from schemas.errors import InvalidField
from stages.chat.sentences import whole_sentences

NAME: Final = "prepare_texts"
LEAST_MIN: Final = 16  # a shorter chunk is a sentence, not a passage
NOTES_SHOWN: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    given = _parsed(arguments)
    try:
        return _prepared(given)
    except (InvalidField, SettingsError) as refused:
        print(f"{NAME}: {refused}", file=sys.stderr)
        return 2
    except (TokenizerFailed, WeightsMissing) as failed:
        print(f"{NAME}: {FIELD}: {failed}", file=sys.stderr)
        return 1
    except OSError as failed:
        print(f"{NAME}: {failed.filename}: {failed.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 1


def _prepared(given: argparse.Namespace) -> int:
    wanted = _wanted(given)
    split = _split(given.validation)
    writing.check(given.out, given.folder)
    found = folder.read(given.folder)
    token = configuration.load().hf_token
    with opened(given.tokenizer, token.get_secret_value() if token else None) as tokenizer:
        prepared = prepare(_told(found.files), split, wanted, tokenizer.count, whole_sentences)
        name = tokenizer.name
    files = writing.write(given.out, prepared)
    option = [FIELD, name] if given.tokenizer else []
    told = card.card(found, prepared, wanted, name, option, given.validation, files)
    writing.write_card(given.out, told)
    if given.json:
        print(json.dumps(told))
    else:
        _tell(told, given.out)
    _note(found, told, given.validation)
    return 0 if prepared.examples else 1


def _told(files: Sequence[TextFile]) -> Iterator[TextFile]:
    """The files, and on a terminal how far they are: a megabyte takes half a minute."""
    for place, file in enumerate(files, start=1):
        if sys.stderr.isatty():
            progress(f"{place} of {len(files)} files: {file.name}", place == len(files))
        yield file


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"scripts/{NAME}", description="Turns a folder of .txt and .md files into chat examples for fine-tuning."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the texts, UTF-8; folders within count too")
    parser.add_argument("--out", "-o", type=Path, required=True, help="a new or empty folder, or an earlier result")
    parser.add_argument(FIELD, metavar="FILE_OR_NAME", help=f"{EXPECTED} (default: the bundled SmolLM2)")
    parser.add_argument("--min-tokens", type=int, default=TOKENS_LEAST, help="of a passage (default %(default)s)")
    parser.add_argument("--max-tokens", type=int, default=TOKENS_MOST, help="of a passage (default %(default)s)")
    parser.add_argument(
        "--validation",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files for validation, e.g. 'letters/*' (default: a tenth, by a hash of the name); may be given again",
    )
    parser.add_argument("--keep-personal-data", action="store_true", help="mask nothing")
    parser.add_argument("--json", action="store_true", help="the card as JSON instead of a table")
    return parser.parse_args(arguments)


def _wanted(given: argparse.Namespace) -> Wanted:
    if given.min_tokens < LEAST_MIN:
        raise InvalidField("--min-tokens", given.min_tokens, f"{LEAST_MIN} or more")
    if given.max_tokens < 2 * given.min_tokens:
        expected = f"{2 * given.min_tokens} or more: twice --min-tokens, so that every text can be divided"
        raise InvalidField("--max-tokens", given.max_tokens, expected)
    return Wanted(given.min_tokens, given.max_tokens, mask=not given.keep_personal_data)


def _split(patterns: Sequence[str]) -> Callable[[str], Split]:
    if not patterns:
        return split_of_file

    def by_pattern(name: str) -> Split:
        names = (name, PurePosixPath(name).name)
        return "validation" if any(fnmatchcase(each, pattern) for each in names for pattern in patterns) else "train"

    return by_pattern


def _tell(told: Mapping[str, Any], out: Path) -> None:
    console = Console()
    rows, read, chunks = told["rows"], told["files_read"], told["chunks"]
    splits = ", ".join(f"{split} {count}" for split, count in rows.items())
    console.print(
        f"texts: {sum(rows.values())} rows ({splits}) of {sum(read.values())} files, in {out}",
        markup=False,
        soft_wrap=True,
    )
    table = Table("file", "rows", "bytes", "sha256")
    for place in (1, 2):
        table.columns[place].justify = "right"
    for one in told["files"]:
        table.add_row(one["name"], str(one["rows"]), str(one["bytes"]), one["sha256"][:12])
    console.print(table)
    lines = {
        "tokens": f"{chunks['tokens']} of {chunks['tokenizer']} in {chunks['shortest']} to {chunks['longest']} a row; "
        f"{chunks['tokens_left_out']} in no row",
        "style": told["system_prompt"] or "none: no words",
        "left out": _counted(told["left_out"]),
        "duplicates": _counted(told["duplicates"]),
        "masked": "nothing: switched off" if told["masked"] is None else _counted(told["masked"]),
    }
    for name, text in lines.items():
        console.print(f"{name:<11} {text}", markup=False, soft_wrap=True)


def _note(found: Folder, told: Mapping[str, Any], patterns: Sequence[str]) -> None:
    """What a person may want to mend."""
    for line in found.notes[:NOTES_SHOWN]:
        say(f"{NAME}: left out: {line}\n")
    if len(found.notes) > NOTES_SHOWN:
        say(f"{NAME}: left out: {len(found.notes) - NOTES_SHOWN} more files\n")
    rows = told["rows"]
    if not sum(rows.values()):
        least = told["chunks"]["least"]
        say(f"{NAME}: no text has {least} tokens in whole sentences: no row was made; --min-tokens asks for less\n")
    elif empty := [split for split, count in rows.items() if not count]:
        why = f"no other file matches {', '.join(patterns)}" if patterns else "a file is never in both"
        say(f"{NAME}: {empty[0]} has no rows: {why}; name files for it with --validation PATTERN, or add some\n")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
