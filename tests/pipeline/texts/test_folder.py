"""Which files of a folder are texts, and why the others are not."""

from pathlib import Path

import pytest

from pipeline.texts import folder
from schemas.errors import InvalidField


def test_texts_are_found_in_folders_within_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.txt", "b/c.MD", "a.md"):
        (tmp_path / name).write_text(f"This is {name}.")

    found = folder.read(tmp_path)

    assert [file.name for file in found.files] == ["a.md", "b/c.MD", "z.txt"]
    assert [file.is_markdown for file in found.files] == [True, True, False]
    assert not found.left_out


def test_what_is_no_text_is_left_out_and_what_can_be_mended_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_bytes("\ufeffZürich.\r\nBern.\x07".encode())
    (tmp_path / "latin.txt").write_bytes("Zürich".encode("latin-1"))
    (tmp_path / "binary.txt").write_bytes(b"ab\0c")
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "picture.png").write_bytes(b"png")
    (tmp_path / ".hidden.txt").write_text("secret")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "inside.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path / "good.txt")
    (tmp_path / "around").symlink_to(tmp_path)

    found = folder.read(tmp_path)

    assert [(file.name, file.text) for file in found.files] == [("good.txt", "Zürich.\nBern.")]
    assert found.left_out == {
        "not UTF-8": 1,
        "not texts": 1,
        "empty": 1,
        "files of other kinds": 1,
        "hidden files and folders": 2,
        "links, which are not followed": 2,
    }
    assert [note.partition(";")[0] for note in found.notes] == [
        "binary.txt: a zero byte stands at 2",
        "latin.txt: byte 0xfc at 1 is no UTF-8",
    ]


def test_a_name_that_is_no_utf_8_can_still_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.txt").write_text("Coffee.")

    assert folder.read(tmp_path).files[0].name == "caf\\xe9.txt"


def test_a_file_too_large_for_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "FILE_MAX_BYTES", 3)
    (tmp_path / "big.txt").write_text("four")

    found = folder.read(tmp_path)

    assert (found.files, found.left_out) == ([], {"too large": 1})
    assert found.notes == ["big.txt: 4 bytes; expected at most 3: divide it"]


@pytest.mark.parametrize("name", ["absent", "file.txt"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("text")

    with pytest.raises(InvalidField, match=r"FOLDER: .* a folder with \.txt and \.md files"):
        folder.read(tmp_path / name)
