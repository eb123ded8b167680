"""Whatever arrives, decode() gives an event or raises SchemaError: no message can bring a worker down."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import catalogue
from schemas.errors import SchemaError

NAMES = sorted(catalogue.BY_NAME)
Golden = Callable[[str], bytes]
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def read_or_refused(payload: bytes, hint: str | None) -> None:
    try:
        event = catalogue.decode(payload, hint)
    except SchemaError:
        return
    assert catalogue.decode(event.encoded()) == event


@FUZZ
@given(payload=st.binary(max_size=300), hint=st.none() | st.sampled_from(NAMES) | st.text(max_size=10))
def test_arbitrary_bytes_are_refused(payload: bytes, hint: str | None) -> None:
    with pytest.raises(SchemaError):
        catalogue.decode(payload, hint)


@FUZZ
@given(tree=json_values, hint=st.none() | st.sampled_from(NAMES))
def test_arbitrary_json_is_refused(tree: object, hint: str | None) -> None:
    with pytest.raises(SchemaError):
        catalogue.decode(json.dumps(tree).encode(errors="surrogatepass"), hint)


@FUZZ
@given(data=st.data(), name=st.sampled_from(NAMES), hinted=st.booleans())
def test_an_event_with_one_value_replaced_is_read_or_refused(
    data: st.DataObject, name: str, hinted: bool, golden: Golden
) -> None:
    tree = json.loads(golden(name))
    place: Any = tree
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else list(place)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)

    read_or_refused(json.dumps(tree).encode(), name if hinted else None)


@FUZZ
@given(data=st.data(), name=st.sampled_from(NAMES), hinted=st.booleans())
def test_an_event_with_bytes_cut_out_or_put_in_is_read_or_refused(
    data: st.DataObject, name: str, hinted: bool, golden: Golden
) -> None:
    payload = golden(name)
    at = data.draw(st.integers(0, len(payload)))
    until = data.draw(st.integers(at, min(len(payload), at + 20)))

    read_or_refused(payload[:at] + data.draw(st.binary(max_size=8)) + payload[until:], name if hinted else None)


@pytest.mark.parametrize(
    "odd",
    [b"[" * 20_000 + b"]" * 20_000, b"1" + b"0" * 10_000, b"1e999", b"NaN", b"-Infinity", rb'"\ud800"', b'"\\u0000"'],
)
def test_json_at_the_edge_of_what_parsers_take_is_read_or_refused(odd: bytes, golden: Golden) -> None:
    for name in NAMES:
        payload = golden(name)
        for value in (b'"anna"', b'"UTC"', b"true", b"0", b'"sleep"'):
            read_or_refused(payload.replace(value, odd, 1), None)
            read_or_refused(payload.replace(value, odd, 1), name)
