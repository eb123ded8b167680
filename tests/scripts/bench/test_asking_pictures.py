"""Pictures are drawn of whatever was measured: one value, no bands, several panels."""

from pathlib import Path

import pytest

from scripts.bench.asking.pictures import Bars, Lines, Panel, drawn

LINES = Lines(
    "Rate", "at once", "tokens/s", [1, 4], {"a": [1.0, 2.0], "b": [0.5, 0.4]}, {"a": [(0.9, 1.1), (1.5, 2.5)]}
)


@pytest.mark.parametrize(
    "panels",
    [
        [LINES],
        [Lines("Time", "at once", "s", [1, 32], {"a": [0.1, 30.0]}, log_x=True, log_y=True)],
        [Lines("Share", "turn", "share", [1], {"a": [0.0]}, top=1.05), Bars("Right", ["all"], {"a": [0.5], "b": [1]})],
    ],
)
def test_a_picture_is_a_small_png(tmp_path: Path, panels: list[Panel]) -> None:
    file = drawn(tmp_path / "new" / "picture.png", panels, "how it was made")
    content = file.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert 4_000 < len(content) < 120_000
