"""The shipped prompts: in order, one name each, and equal to their copy within the program."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra.prompts import Prompts, Shelf
from infra.prompts.embedding import embedded_module, path_of
from pipeline.prompt_catalogue import SHELVES, checked, embed

ROOT = Path(__file__).resolve().parents[2]


def test_every_shipped_prompt_is_in_order() -> None:
    assert checked(None) == []


def test_every_folder_of_prompts_is_in_the_catalogue() -> None:
    assert sorted(shelf.folder for shelf in SHELVES) == sorted((ROOT / "stages").glob("*/prompts"))


@pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.stage)
def test_the_copy_within_the_program_equals_the_files(shelf: Shelf) -> None:
    """`parley prompts embed` writes it anew."""
    assert path_of(shelf).read_text() == embedded_module(shelf.folder)
    assert dict(shelf.embedded) == {path.name: path.read_bytes().decode() for path in shelf.folder.iterdir()}


@pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.stage)
def test_without_its_folder_a_stage_asks_with_the_same_words_under_the_same_hash(shelf: Shelf, tmp_path: Path) -> None:
    without = Prompts(replace(shelf, folder=tmp_path / "gone"))
    for given in shelf.prompts:
        assert without.render(given.name, given.sample) == Prompts(shelf).render(given.name, given.sample)


def test_a_name_that_two_stages_have_is_told(tmp_path: Path) -> None:
    twin = replace(SHELVES[0], stage="twin")
    assert any(re.match("prompt 'choose': 2 stages", line) for line in checked(None, [*SHELVES, twin]))


def test_a_copy_that_differs_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = '--- user\nit\'s "{{ talk }}" \\ naïve\ttab\u2028\n\n'
    (folder / "reply.txt").write_bytes(text.encode())
    shelf = Shelf("test", folder, {}, ())
    assert embed([shelf]) == [path_of(shelf)]
    assert embed([shelf]) == []
    written: dict[str, dict[str, str]] = {}
    exec(path_of(shelf).read_text(), written)  # what `import` would make of it
    assert written["EMBEDDED"] == {"reply.txt": text}
