"""What has gone wrong lately is known to whoever looks into the data folder, and forgotten in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra import troubles
from infra.troubles import TOLD_FOR, Trouble

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def trouble(name: str, words: str = "it ended", after_s: float = 0.0) -> Trouble:
    return Trouble(name=name, at=NOON + timedelta(seconds=after_s), words=words)


def test_the_last_trouble_of_each_process_is_known(tmp_path: Path) -> None:
    for each in (trouble("keeper"), trouble("router"), trouble("keeper", "it ended again", after_s=1)):
        troubles.note(tmp_path, each)

    known = troubles.lately(tmp_path, NOON + timedelta(seconds=2))

    assert known == (trouble("router"), trouble("keeper", "it ended again", after_s=1))


def test_old_news_is_told_no_more_whichever_way_the_clock_was_set(tmp_path: Path) -> None:
    troubles.note(tmp_path, trouble("keeper"))

    assert troubles.lately(tmp_path, NOON + TOLD_FOR / 2)
    assert not troubles.lately(tmp_path, NOON + TOLD_FOR)
    assert not troubles.lately(tmp_path, NOON - TOLD_FOR)


def test_whoever_ends_in_order_takes_it_along(tmp_path: Path) -> None:
    troubles.note(tmp_path, trouble("keeper"))

    troubles.forget(tmp_path)

    assert not troubles.lately(tmp_path, NOON)
    troubles.forget(tmp_path)


def test_a_file_that_cannot_be_written_or_read_is_no_further_trouble(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "troubles.json").write_text("[{")
    assert not troubles.lately(tmp_path, NOON)

    troubles.note(Path("/sys/parley"), trouble("keeper"))  # the kernel's own tree refuses root, too
    assert not troubles.lately(Path("/sys/parley"), NOON)
