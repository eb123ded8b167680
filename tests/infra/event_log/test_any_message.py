"""Whatever lies in the stream, a batch with it is recorded: one row a message."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.clock import SetClock
from infra.event_log import columns, duck, migrations
from infra.event_log.appending import Appending
from infra.event_log.archive import Archive
from infra.event_log.port import Batch, LogLimits, Row, StreamIdentity, archive_folder
from schemas.errors import InvalidField
from schemas.event import Event, Fact

HEADERS = ["Parley-Hop", "traceparent", "ce-type", "ce-source", "X"]
any_text = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
headers = st.dictionaries(
    st.sampled_from(HEADERS), any_text | st.floats().map(str) | st.integers().map(str), max_size=5
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_batch_of_anything_becomes_as_many_rows(
    data: st.DataObject, typed: Callable[..., list[Event[Fact]]], clock: SetClock, tmp_path_factory: Any
) -> None:
    path = Path(tmp_path_factory.mktemp("log")) / "log.duckdb"
    rows = []
    for number in range(1, data.draw(st.integers(1, 12)) + 1):
        event = data.draw(st.sampled_from(typed()))
        tree = json.loads(event.encoded())
        for _ in range(data.draw(st.integers(0, 2))):
            part = tree[data.draw(st.sampled_from(["meta", "fact"]))]
            part[data.draw(st.sampled_from(list(part)) | st.text(max_size=5))] = data.draw(json_values)
        payload = data.draw(st.sampled_from([json.dumps(tree).encode(), event.encoded()]) | st.binary(max_size=50))
        rows.append(Row(number, data.draw(st.just(event.subject) | any_text), data.draw(headers), payload))

    connection = duck.connect(path, LogLimits(), read_only=False)
    try:
        migrations.apply(connection, path, migrations.tables(), migrations.views(), clock.now())
        appending = Appending(connection, Archive(connection, archive_folder(path)), 1_000)
        done = appending.append(Batch(StreamIdentity("S", clock.now()), tuple(rows)), clock.now())
        assert done.recorded + done.copies == len(rows)
        for view in (
            "turns",
            "transcripts",
            "intents",
            "tasks",
            "replies",
            "feedback",
            "latency",
            "engines",
            "failures",
        ):
            connection.run(f"FROM {view}")  # no event, however odd, takes a view away
        connection.run("FROM events")
    finally:
        connection.close()


ENDS = [columns.EARLIEST, columns.LATEST, columns.EARLIEST.replace(year=1901), columns.LATEST.replace(year=8999)]
days = st.sampled_from([timedelta(days=number) for number in range(-2, 3)])
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moment=st.sampled_from(ENDS), by=days | st.timedeltas(-timedelta(days=2), timedelta(days=2)), zone=zones)
@example(moment=columns.EARLIEST, by=timedelta(), zone=UTC)
@example(moment=columns.LATEST, by=timedelta(), zone=UTC)
@example(moment=columns.LATEST, by=-timedelta(microseconds=1), zone=UTC)
def test_a_time_is_refused_exactly_when_the_calendar_does_not_hold_it(
    moment: datetime, by: timedelta, zone: timezone
) -> None:
    told = (moment + by).replace(tzinfo=zone)
    held = columns.EARLIEST <= told < columns.LATEST

    try:
        columns._refuse_unless_in_calendar("meta.time", told)
    except InvalidField:
        assert not held
    else:
        assert held
