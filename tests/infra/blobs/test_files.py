"""What only the store on the disk promises."""

import stat
from pathlib import Path

import pytest

from infra.blobs.files import FileBlobs


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_blobs_are_spread_over_folders_and_closed_to_other_users(tmp_path: Path) -> None:
    store = FileBlobs(tmp_path)

    digest = (await store.put(b"sound", "audio/wav")).ref.removeprefix("sha256:")

    path = tmp_path / digest[:2] / digest
    assert path.read_bytes() == b"sound"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_put_that_fails_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(OSError, match="no space left"):
        await FileBlobs(tmp_path).put(b"sound", "audio/wav")

    assert left_in(tmp_path) == []
