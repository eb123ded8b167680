"""What was once written to the stream can always be read again, and is written the same way again."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from pydantic import TypeAdapter

from schemas import catalogue
from schemas.errors import InvalidField, NewerSchema
from schemas.event import PAYLOAD_MAX_BYTES, SCHEMA_MINOR, TimeZone

NAMES = sorted(catalogue.BY_NAME)
MINORS = ["v1", *(f"v1.{minor}" for minor in range(1, SCHEMA_MINOR + 1))]
FILES = sorted((Path(__file__).parent / "golden").rglob("*.json"))
NEWEST = {path.stem: path.parent.name for path in sorted(FILES, key=lambda path: MINORS.index(path.parent.name))}
OLDER = [(path.parent.name, path.stem) for path in FILES if NEWEST[path.stem] != path.parent.name]
Golden = Callable[..., bytes]


def test_every_event_of_the_catalogue_has_its_golden_file_and_no_other_lies_there() -> None:
    versions = {folder.name for folder in (Path(__file__).parent / "golden").iterdir()}
    assert versions == set(MINORS)
    assert sorted({path.stem for path in FILES}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_event_is_read_as_its_type_and_written_as_the_same_bytes(name: str, golden: Golden) -> None:
    written = golden(name, NEWEST[name])

    event = catalogue.decode(written)

    assert type(event.fact) is catalogue.BY_NAME[name]
    assert event.encoded() == written
    assert catalogue.decode(written, name) == event


@pytest.mark.parametrize(("version", "name"), OLDER)
def test_an_event_of_an_earlier_minor_version_keeps_all_that_it_said(version: str, name: str, golden: Golden) -> None:
    written = golden(name, version)

    event = catalogue.decode(written)

    again = json.loads(event.encoded())
    told = json.loads(written)
    assert again["meta"] == told["meta"]
    assert {field: again["fact"][field] for field in told["fact"]} == told["fact"]
    assert all(value is None for field, value in again["fact"].items() if field not in told["fact"])


@pytest.mark.parametrize(
    ("changed", "field", "expected"),
    [
        ({"facets": {}}, "fact.facets", "at least 1"),
        ({"facets": {"concise": 1.2}, "before": {}}, "fact.facets.concise", "less than or equal to 1"),
        ({"facets": {"two words": 0.5}, "before": {}}, r"fact.facets.two words.\[key\]", "match pattern"),
        ({"facets": {f"facet{number}": 0.5 for number in range(13)}, "before": {}}, "fact.facets", "at most 12"),
        ({"before": {"patient": 0.5}}, "fact", "in `before` only facets that moved: concise, step_by_step"),
        ({"about": "mine"}, "fact.about", "a UUIDv7"),
    ],
)
def test_what_was_learned_of_a_person_makes_sense(
    changed: dict[str, object], field: str, expected: str, golden: Golden
) -> None:
    tree = json.loads(golden("PersonaGiven"))
    tree["fact"] |= changed

    with pytest.raises(InvalidField, match=f"{field}.*{expected}"):
        catalogue.decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    ("changed", "field", "expected"),
    [
        ({"rating": None, "correction": None, "comment": None}, "fact", "at least one of"),
        ({"compared_with": "019aa0b4-7d10-7b21-9c5e-1f3a2b4c5d6e"}, "fact", "a reward"),
        ({"reward": 0.5, "compared_with": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740"}, "fact", "another turn"),
        ({"reward": 1.01}, "fact.reward", "less than or equal to 1"),
        ({"reward": float("nan")}, "fact.reward", "finite"),
        ({"preferred": -1}, "fact.preferred", "greater than or equal to 0"),
        ({"intent": "make_coffee"}, "fact.intent", "create_reminder"),
    ],
)
def test_feedback_says_something_that_makes_sense(
    changed: dict[str, object], field: str, expected: str, golden: Golden
) -> None:
    tree = json.loads(golden("FeedbackGiven"))
    tree["fact"] |= changed

    with pytest.raises(InvalidField) as refused:
        catalogue.decode(json.dumps(tree).encode())

    assert refused.value.field == field
    assert expected in refused.value.expected


@pytest.mark.parametrize("name", NAMES)
def test_fields_that_a_later_minor_version_added_are_ignored(name: str, golden: Golden) -> None:
    tree = json.loads(golden(name))
    tree["meta"] |= {"schema_version": "1.7", "mood": "cheerful"}
    tree["fact"]["added_later"] = {"a": [1, None]}
    tree["envelope"] = True

    event = catalogue.decode(json.dumps(tree).encode(), name)

    assert event.fact == catalogue.decode(golden(name)).fact
    assert event.meta.schema_version == "1.7"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hinted", [True, False])
def test_a_newer_major_version_is_refused_as_newer_even_when_its_fields_have_changed(
    name: str, hinted: bool, golden: Golden
) -> None:
    tree = json.loads(golden(name))
    tree["meta"]["schema_version"] = "2.0"
    tree["fact"] = {"entirely": "different"}

    with pytest.raises(NewerSchema, match=r"2\.0.*expected 1\.x"):
        catalogue.decode(json.dumps(tree).encode(), name if hinted else None)


@pytest.mark.parametrize("version", ["0.9", "1", "1.", "1.0.0", "x.1", "-1.0", "٣.0", "", "1.0 "])
def test_a_version_that_is_none_is_refused(version: str, golden: Golden) -> None:
    tree = json.loads(golden("TurnCompleted"))
    tree["meta"]["schema_version"] = version

    with pytest.raises(InvalidField) as refused:
        catalogue.decode(json.dumps(tree).encode())

    assert refused.value.field == "meta.schema_version"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("TranscriptReady", "fact.text", None),
        ("TranscriptReady", "fact.audio_s", float("inf")),
        ("TranscriptReady", "fact.audio_s", -1),
        ("TranscriptReady", "fact.confidence", 1.01),
        ("TranscriptReady", "fact.recogniser.model", 5),
        ("IntentClassified", "fact.intents", []),
        ("IntentClassified", "fact.intents.0.label", "make_coffee"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "NaN"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "1E+999999"),
        (
            "IntentClassified",
            "fact.intents.2.slots.amount.value",
            "1E+999999999999",
        ),  # beyond what decimal computes with
        ("IntentClassified", "fact.intents.2.slots.amount.value", "0E+999999"),  # zero, in a million digits
        ("IntentClassified", "fact.intents.2.slots.amount.value", "1E-999999"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "1000000000000.01"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "-1000000000001"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "0.0000001"),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "1." + "0" * 5_000),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "9" * 5_000),
        ("IntentClassified", "fact.intents.2.slots.amount.value", "-Infinity"),
        ("IntentClassified", "fact.intents.2.slots.amount.currency", "dollars"),
        ("TaskCompleted", "fact.outcome.data", {"deep": [1.0, {"x": float("nan")}]}),
        ("TaskCompleted", "fact.intent", 2**53),
        ("ReplyChosen", "fact.scores.0.total", float("nan")),
        ("ReplyGenerated", "fact.prompt.sha256", "abc"),
        ("SpeechReady", "fact.audio.ref", "file:///etc/passwd"),
        ("SpeechReady", "fact.rate_hz", 0),
        ("TextSubmitted", "fact.text", " \n"),
        ("TextSubmitted", "fact.text", "x" * 4_001),
        ("TextSubmitted", "fact.text", "bell\x07"),
        ("TextSubmitted", "fact.text", "broken \ufffd"),
        ("TurnFailed", "fact.code", "bad-luck"),
        ("TurnInterrupted", "fact.by", "yesterday"),
        ("TurnCompleted", "fact.sentences", "two"),
        ("TurnCompleted", "meta.id", ""),
        ("TurnCompleted", "meta.id", "a\r\nNats-Rollup: all"),
        ("TurnCompleted", "meta.tenant", "a.b"),
        ("TurnCompleted", "meta.run", ">"),
        ("TurnCompleted", "meta.user", ""),
        ("TurnCompleted", "meta.conversation", "not-a-uuid"),
        ("TurnCompleted", "meta.turn", "8c8f3a0e-1d2b-4c3d-8e9f-0a1b2c3d4e5f"),  # version 4
        ("TurnCompleted", "meta.time", "2026-11-20T09:30:15"),  # without a time zone
        ("TurnCompleted", "meta.number", -1),
        ("TurnCompleted", "meta.time_zone", ""),
        ("TurnCompleted", "meta.time_zone", "x" * 65),
        ("TurnCompleted", "meta.time_zone", "Europe/Berlin\n"),
        ("TurnCompleted", "meta.time_zone", "../../etc/passwd"),
        ("TurnCompleted", "meta.time_zone", "Europe/Zürich"),
        ("TurnCompleted", "meta.time_zone", None),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    name: str, field: str, value: object, golden: Golden
) -> None:
    tree = json.loads(golden(name))
    *path, last = field.split(".")
    place = tree
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value

    for hint in (name, None):
        with pytest.raises(InvalidField) as refused:
            catalogue.decode(json.dumps(tree).encode(), hint)
        assert refused.value.field == field
        assert refused.value.expected


@pytest.mark.parametrize(
    "value", ["0", "0.00", "50", "50.00", "-12.5", "0.000001", "1000000000000", "-1000000000000", "1E+12", "5E+1"]
)
def test_an_amount_that_is_short_when_written_out_is_kept_as_it_was_written(value: str, golden: Golden) -> None:
    payload = golden("IntentClassified").replace(b'"50.00"', f'"{value}"'.encode())

    event = catalogue.decode(payload)

    assert event.encoded() == payload
    assert len(f"{Decimal(value):f}") <= 20


def test_every_time_zone_that_there_is_passes() -> None:
    zones = available_timezones()

    assert len(zones) > 400
    assert [TypeAdapter(TimeZone).validate_python(name) for name in zones] == list(zones)


@pytest.mark.parametrize(
    ("name", "field"),
    [("TurnCompleted", "fact.reply"), ("TurnCompleted", "meta.turn"), ("AudioSubmitted", "fact.audio.size_bytes")],
)
def test_a_missing_field_is_named_as_missing(name: str, field: str, golden: Golden) -> None:
    tree = json.loads(golden(name))
    *path, last = field.split(".")
    place = tree
    for step in path:
        place = place[step]
    del place[last]

    with pytest.raises(InvalidField, match=r"\(missing\)") as refused:
        catalogue.decode(json.dumps(tree).encode(), name)

    assert refused.value.field == field


@pytest.mark.parametrize("payload", [b"", b"hello", b"{", b"\xff\xfe{}", b'{"meta":'])
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidField, match="expected an event as JSON") as refused:
        catalogue.decode(payload)
    assert refused.value.field == "event"


@pytest.mark.parametrize("payload", [b"null", b"[]", b"5"])
def test_json_that_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidField, match="object"):
        catalogue.decode(payload)


def test_an_event_larger_than_the_limit_is_refused_before_it_is_read(golden: Golden) -> None:
    with pytest.raises(InvalidField, match=f"at most {PAYLOAD_MAX_BYTES} bytes"):
        catalogue.decode(golden("TurnCompleted") + b" " * PAYLOAD_MAX_BYTES)


def test_an_unknown_type_is_refused_with_the_known_ones(golden: Golden) -> None:
    payload = golden("TurnCompleted").replace(b'"TurnCompleted"', b'"TurnExploded"')

    with pytest.raises(InvalidField, match="TurnCompleted") as refused:
        catalogue.decode(payload)

    assert refused.value.field == "meta.type"


@pytest.mark.parametrize("hint", ["TurnFailed", "TextSubmitted"])
def test_a_header_that_names_another_type_is_refused_as_just_that(hint: str, golden: Golden) -> None:
    with pytest.raises(InvalidField, match=f"'{hint}', as the message's header says") as refused:
        catalogue.decode(golden("TurnCompleted"), hint)

    assert refused.value.field == "meta.type"
