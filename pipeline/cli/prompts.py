"""`parley prompts …`: the texts that models are asked with: which there are, how they look when sent, what is wrong."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra import settings as configuration
from pipeline.cli import exits
from pipeline.cli.exits import Exit
from schemas.errors import InvalidField

if TYPE_CHECKING:
    from infra.engines.port import Message
    from infra.prompts import Given, Shelf, Version

app = typer.Typer(
    help="Prompts: text files beside their stage, or in a folder of your own (`prompts:` in config.yaml).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="The prompt's name, as `parley prompts list` tells it.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """All prompts: whose, where from, with which variables, and the hash that events name."""
    with exits.told():
        from pipeline.prompt_catalogue import SHELVES

        own = configuration.checked_prompts(configuration.load()).prompts
        rows = [_row(shelf, given, own) for shelf in SHELVES for given in shelf.prompts]
        if as_json:
            print(json.dumps(rows))
            return
        table = Table("name", "stage", "is given", "examples", "from", "sha256")
        for row in rows:
            given_to_it = [*row["variables"], *(["a history"] if row["history"] else [])]
            found = Text(row["error"] or ", ".join(dict.fromkeys(row["from"])), style="red" if row["error"] else "")
            table.add_row(
                *(row["name"], row["stage"], ", ".join(given_to_it), str(row["examples"]), found, row["sha256"][:12])
            )
        Console().print(table)


@app.command()
def show(name: Name) -> None:
    """The template as it is used now, then its examples; what a file of your own may begin from."""
    with exits.told():
        from pipeline.prompt_catalogue import opened

        prompts, _ = opened(name, configuration.checked_prompts(configuration.load()).prompts)
        version = prompts.version(name)
        print(f"{name}: {', '.join(_files(version))}, sha256 {version.sha256}", file=sys.stderr)
        print(version.text.rstrip("\n"))
        for example in version.examples:
            print(json.dumps(example.model_dump(), ensure_ascii=False))


@app.command()
def render(
    name: Name,
    data: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="A JSON file with its variables, and `history`: a list of {user, assistant}; - reads standard "
            "input. Default: the sample that it is checked with.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The messages as they would be sent to an engine."""
    with exits.told():
        from infra.engines.port import Message
        from pipeline.prompt_catalogue import opened

        prompts, given = opened(name, configuration.checked_prompts(configuration.load()).prompts)
        values, turns = (dict(given.sample), []) if data is None else _read(data)
        if turns and not given.history:
            raise InvalidField("history", f"{len(turns)} turns", f"none: {name} is not given any")
        history = [
            message for turn in turns for message in (Message("user", turn.user), Message("assistant", turn.assistant))
        ]
        rendered = prompts.render(name, values, history)
        if as_json:
            sent = [{"role": message.role, "content": message.content} for message in rendered.messages]
            print(json.dumps(sent, ensure_ascii=False))
        else:
            _print(rendered.messages)


@app.command()
def check() -> None:
    """Compile each file, compare its variables with what its stage gives, fill it in. One line for each trouble.

    Exit status 1 when there is one. Looks at the shipped files, those of your own, and the copy within the program.
    """
    with exits.told():
        from pipeline.prompt_catalogue import SHELVES, checked

        found = checked(configuration.checked_prompts(configuration.load()).prompts)
        for trouble in found:
            print(trouble)
        if found:
            raise SystemExit(int(Exit.TURN_FAILED))
        print(f"{sum(len(shelf.prompts) for shelf in SHELVES)} prompts are in order")


@app.command()
def embed() -> None:
    """Write the copy within the program anew after a shipped file was changed: for whoever works on Parley."""
    with exits.told():
        from pipeline.prompt_catalogue import embed as embedded

        for path in embedded():
            print(f"written: {path}")


def _read(file: str) -> tuple[dict[str, Any], "Sequence[Any]"]:
    """The variables and the earlier turns. Raises InvalidField."""
    from infra.prompts.template import Example

    if file != "-" and not Path(file).is_file():
        raise InvalidField("--with", file, "a JSON file that exists, or - for standard input")
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8", errors="replace")
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False).encode()  # "\\ud800" is half a sign: it can be neither shown nor sent
    except RecursionError:
        raise InvalidField("--with", file, "JSON that is nested less deeply") from None
    except ValueError as error:
        raise InvalidField("--with", file, f"JSON: {error}") from None
    if not isinstance(values, dict):
        raise InvalidField("--with", values, 'an object such as {"talk": "hello"}')
    try:
        history = pydantic.TypeAdapter(list[Example]).validate_python(values.pop("history", []))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, ("history", *first["loc"])))
        raise InvalidField(place, first["input"], '[{"user": "…", "assistant": "…"}, …]') from None
    return values, history


def _row(shelf: "Shelf", given: "Given", own: Path | None) -> dict[str, Any]:
    from infra.prompts import PromptBroken
    from pipeline.prompt_catalogue import opened

    row: dict[str, Any] = {
        "name": given.name,
        "stage": shelf.stage,
        "variables": sorted(given.sample),
        "history": given.history,
        "examples": 0,
        "from": [],
        "files": [],
        "sha256": "",
        "error": None,
    }
    try:
        version = opened(given.name, own)[0].version(given.name)
    except PromptBroken as error:
        return row | {"error": str(error)}
    places = [
        "embedded" if not path else "own" if own and path.parent == own else "shipped" for path in version.origins
    ]
    return row | {
        "examples": len(version.examples),
        "from": places,
        "files": _files(version),
        "sha256": version.sha256,
    }


def _files(version: "Version") -> list[str]:
    return [str(path) if path else "embedded" for path in version.origins]


def _print(messages: "Sequence[Message]") -> None:
    console = Console(highlight=False, soft_wrap=True)
    for message in messages:
        console.print(message.role, style="bold")
        console.print(message.content, markup=False)
