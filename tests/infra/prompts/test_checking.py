"""What `parley prompts check` says of files that could be used and are not as they were meant."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.prompts import Shelf
from infra.prompts.checking import strays, troubles

EXAMPLES = '{"user": "Hi", "assistant": "Hello."}\n'
GOOD = "--- system\nYou are {{ name }}.\n--- examples\n--- history\n--- user\n{{ talk }}\n"


@pytest.fixture
def whole(shelf: Shelf) -> Shelf:
    """The shelf with its copy in the program."""
    return replace(shelf, embedded={"reply.txt": GOOD, "reply.examples.jsonl": EXAMPLES})


def test_what_is_in_order_has_no_trouble(whole: Shelf, own: Path) -> None:
    assert troubles(whole) == []
    assert troubles(whole, own) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("--- system\nYou are Parley.\n--- history\n--- user\n{{ talk }}", "variable 'name' is given and not used"),
        ("--- system\n{{ name }}\n--- user\n{{ talk }}", "a history is given and has no place"),
        ("--- history\n--- user\n{{ talk }} {{ name }}\n--- assistant\nx", "the last message must be the user's"),
        ("--- user\n{{ name }}\n--- history\n--- user\n{{ talk }}", "'user' stands where 'assistant' is expected"),
        ("--- history\n--- system\n{{ name }}\n--- user\n{{ talk }}", "'system' stands where 'user' is expected"),
        ("--- history\n--- user\n<talk>{{ talk }}{{ name }}", "'<talk>{{ talk' looks like a marker"),
        ("--- history\n--- user\n{{ talk }}{{ name }}{{ mood }}", "variable 'mood' is given by nobody"),
        ("--- history\n--- user\n{{ talk }}{{ name }", "line 3: unexpected '}'"),
        ("--- history\n--- user\n{{ talk }}{{ name / 2 }}", "part 'user': TypeError: unsupported operand"),
    ],
)
def test_each_trouble_is_one_line_that_names_the_file(whole: Shelf, own: Path, text: str, told: str) -> None:
    (own / "reply.txt").write_text(text)
    [line] = troubles(whole, own)
    assert line.startswith(f"{own / 'reply.txt'}: ")
    assert told in line
    assert "\n" not in line


def test_the_shipped_file_is_looked_at_behind_an_own_one_and_the_copy_behind_that(whole: Shelf, own: Path) -> None:
    (own / "reply.txt").write_text(GOOD)
    (whole.folder / "reply.txt").write_text("{{")
    spoilt = replace(whole, embedded={**whole.embedded, "reply.txt": "--- user\n{{ who }}"})
    first, second = troubles(spoilt, own)
    assert first.startswith(f"{whole.folder / 'reply.txt'}: ")
    assert second.startswith("reply.txt (embedded): variable 'who'")


def test_a_file_that_is_gone_is_told_though_the_copy_is_used(whole: Shelf) -> None:
    (whole.folder / "reply.examples.jsonl").unlink()
    [line] = troubles(whole)
    assert "reply.examples.jsonl: is gone; the copy within the program is used" in line


def test_a_file_of_a_name_that_no_prompt_has_is_told(own: Path) -> None:
    (own / "replay.txt").write_text(GOOD)
    (own / "reply.txt").write_text(GOOD)
    [line] = strays(own, {"reply"})
    assert line == f"{own / 'replay.txt'}: is never read; expected one of reply.examples.jsonl, reply.txt"
