"""What feedback on a turn may prefer."""

from datetime import UTC, datetime

import pytest

from infra.clock import new_id
from pipeline.judged_turns import Judged, refuse_unless_there
from schemas.errors import InvalidField
from schemas.event import Meta


def judged(candidates: int | None) -> Judged:
    """A turn with so many candidates."""
    turn = new_id()
    meta = Meta(
        id=turn,
        type="TextTurnOpened",
        conversation=turn,
        turn=turn,
        number=1,
        user="anna",
        cause=None,
        stage="keeper",
        time=datetime(2026, 11, 20, tzinfo=UTC),
    )
    return Judged(meta, candidates)


@pytest.mark.parametrize(("preferred", "candidates"), [(None, None), (None, 1), (0, 2), (1, 2)])
def test_what_there_was_can_be_preferred(preferred: int | None, candidates: int | None) -> None:
    refuse_unless_there("--prefer", preferred, judged(candidates))


@pytest.mark.parametrize(
    ("preferred", "candidates", "expected"),
    [
        (0, None, "on record"),
        (0, 1, "several candidates"),
        (1, 1, "several candidates"),
        (2, 2, "a candidate that there was: 0 to 1"),
    ],
)
def test_what_there_was_not_is_refused(preferred: int, candidates: int | None, expected: str) -> None:
    with pytest.raises(InvalidField, match=expected):
        refuse_unless_there("--prefer", preferred, judged(candidates))
