"""Ids and subjects are in every stored message: how they follow from one another is fixed for ever."""

from collections.abc import Callable

import pytest

from schemas import catalogue, ids, subjects
from schemas.errors import InvalidField
from schemas.ids import ConversationId, RunId, Tenant, TurnId

TURN = TurnId("019aa0b4-6e02-7a10-8f4c-5d2e91b3c740")
CONVERSATION = ConversationId("019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8")

PARTITIONS = {
    "019aa0b4-0000-7000-8000-000000000000": "f2",
    "019aa0b4-0001-7025-8065-0000316edc57": "13",
    "019aa0b4-0002-704a-80ca-000062ddb8ae": "40",
    "019aa0b4-0003-706f-812f-0000944c9505": "29",
    "019aa0b4-0004-7094-8194-0000c5bb715c": "d4",
    "019aa0b4-0005-70b9-81f9-0000f72a4db3": "a4",
    "019aa0b4-0006-70de-825e-000128992a0a": "3f",
    "019aa0b4-0007-7103-82c3-00015a080661": "1a",
    "019aa0b4-0008-7128-8328-00018b76e2b8": "ad",
    "019aa0b4-0009-714d-838d-0001bce5bf0f": "b5",
    "019aa0b4-000a-7172-83f2-0001ee549b66": "22",
    "019aa0b4-000b-7197-8457-00021fc377bd": "a3",
}

EVENT_IDS = [
    (
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        "live",
        "",
        "front-end",
        0,
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-8a9c2ff364668cd7",
    ),
    (
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        "live",
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0000000000000000",
        "keeper",
        0,
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-43adae230af90685",
    ),
    (
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        "live",
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0000000000000000",
        "keeper",
        1,
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-ad763ddddcc0b050",
    ),
    (
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        "replay-1",
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0000000000000000",
        "keeper",
        0,
        "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-a8ccb956e62c71e4",
    ),
    (
        "019aa0b4-9f31-7c55-b1d0-7a8e62f4d915",
        "live",
        "ü",
        "tts",
        17,
        "019aa0b4-9f31-7c55-b1d0-7a8e62f4d915-3e0d1e3df7016bde",
    ),
]


@pytest.mark.parametrize(("conversation", "partition"), PARTITIONS.items())
def test_a_conversation_stays_in_its_partition_for_ever(conversation: str, partition: str) -> None:
    assert subjects.partition_of(ConversationId(conversation)) == partition


@pytest.mark.parametrize(("turn", "run", "cause", "stage", "index", "expected"), EVENT_IDS)
def test_an_event_id_follows_from_turn_run_cause_stage_and_index(
    turn: str, run: str, cause: str, stage: str, index: int, expected: str
) -> None:
    assert ids.event_id(TurnId(turn), RunId(run), cause, stage, index) == expected


def test_parts_that_run_into_one_another_do_not_give_the_same_id() -> None:
    assert ids.event_id(TURN, RunId("a"), "b", "c", 11) != ids.event_id(TURN, RunId("a"), "b", "c1", 1)
    assert ids.event_id(TURN, RunId("ab"), "c", "d", 1) != ids.event_id(TURN, RunId("a"), "bc", "d", 1)


def test_a_subject_comes_back_from_its_parts() -> None:
    subject = subjects.subject_of(Tenant("home"), RunId("live"), CONVERSATION, TURN, "TranscriptReady")

    assert subject == f"parley.v1.home.live.{subjects.partition_of(CONVERSATION)}.{CONVERSATION}.{TURN}.TranscriptReady"
    assert subjects.parse_subject(subject) == subjects.Address(
        Tenant("home"), RunId("live"), CONVERSATION, TURN, "TranscriptReady"
    )


@pytest.mark.parametrize("name", sorted(catalogue.BY_NAME))
def test_the_subject_of_every_event_can_be_parsed_and_ends_in_its_token(
    name: str, golden: Callable[[str], bytes]
) -> None:
    event = catalogue.decode(golden(name))

    address = subjects.parse_subject(event.subject)

    assert (address.conversation, address.turn) == (event.meta.conversation, event.meta.turn)
    assert address.event == ("TurnEnded" if name in {"TurnCompleted", "TurnFailed", "TurnInterrupted"} else name)


@pytest.mark.parametrize("token", ["a.b", "*", ">", "a b", "", "ü", "a\n", "a/b", "x" * 65, "$JS"])
@pytest.mark.parametrize("place", [2, 3])
def test_a_token_with_a_meaning_to_the_bus_is_refused_in_a_subject(token: str, place: int) -> None:
    parts = subjects.subject_of(Tenant("home"), RunId("live"), CONVERSATION, TURN, "TurnEnded").split(".")
    parts[place] = token

    with pytest.raises(InvalidField) as refused:
        subjects.parse_subject(".".join(parts))

    assert refused.value.field in {"subject", "subject.tenant", "subject.run"}


@pytest.mark.parametrize("token", ["a.b", "*", ">", "a b", "", "ü", "a\n", "x" * 65])
def test_a_token_with_a_meaning_to_the_bus_is_refused_by_the_name_of_its_field(token: str) -> None:
    with pytest.raises(InvalidField, match=r"^tenant: "):
        ids.checked_token("tenant", token)


@pytest.mark.parametrize("token", ["a", "A-z_9", "x" * 64])
def test_an_ordinary_token_passes(token: str) -> None:
    assert ids.checked_token("tenant", token) == token


@pytest.mark.parametrize(
    "value",
    [
        "",
        "8c8f3a0e-1d2b-4c3d-8e9f-0a1b2c3d4e5f",  # version 4
        TURN.upper(),
        TURN.replace("-", ""),
        f"{{{TURN}}}",
        f"urn:uuid:{TURN}",
        f"{TURN}\n",
    ],
)
def test_a_turn_or_conversation_that_is_no_canonical_uuid7_is_refused(value: str) -> None:
    with pytest.raises(InvalidField, match=r"^turn: .*UUIDv7"):
        ids.checked_uuid7("turn", value)


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (0, "other", "subject"),
        (1, "v2", "subject"),
        (4, "zz", "subject.pp"),
        (5, "nobody", "subject.conversation"),
        (6, "nothing", "subject.turn"),
    ],
)
def test_a_subject_of_somebody_else_is_refused_by_its_wrong_part(place: int, value: str, field: str) -> None:
    parts = subjects.subject_of(Tenant("home"), RunId("live"), CONVERSATION, TURN, "TurnEnded").split(".")
    parts[place] = value

    with pytest.raises(InvalidField) as refused:
        subjects.parse_subject(".".join(parts))

    assert refused.value.field == field


@pytest.mark.parametrize("subject", ["", "parley.v1", f"parley.v1.a.b.00.{CONVERSATION}.{TURN}.X.Y"])
def test_a_subject_with_too_few_or_too_many_parts_is_refused(subject: str) -> None:
    with pytest.raises(InvalidField, match=r"parley\.v1\.<tenant>"):
        subjects.parse_subject(subject)


def test_a_turn_that_is_said_once_more_has_one_id_of_its_own() -> None:
    old = "01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10"

    again = ids.turn_again(old)

    assert ids.checked_uuid7("turn", again) == again == ids.turn_again(old) != old
    assert again[:15] == old[:15], "of the same moment"
    assert ids.turn_again(again) not in (old, again)
