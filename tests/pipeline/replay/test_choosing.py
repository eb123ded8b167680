"""Which turns a condition chooses, and that it can be nothing but a condition."""

import pytest

from pipeline.replay.choosing import condition


@pytest.mark.parametrize(
    ("where", "sql"),
    [
        (None, "TRUE"),
        ("  ", "TRUE"),
        ("status = 'failed'", "(\nstatus = 'failed'\n)"),
        ("kind = 'speech' -- only those", "(\nkind = 'speech' -- only those\n)"),
        ("SELECT turn FROM intents;", "turn IN (\nSELECT turn FROM intents\n)"),
        ("from feedback select turn", "turn IN (\nfrom feedback select turn\n)"),
        ("selected = 1", "(\nselected = 1\n)"),
        ("(SELECT count(*) FROM tasks) > 0", "(\n(SELECT count(*) FROM tasks) > 0\n)"),
    ],
)
def test_a_condition_or_a_query_of_turns(where: str | None, sql: str) -> None:
    assert condition(where) == sql
