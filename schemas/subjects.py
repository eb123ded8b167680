"""Where an event travels (`parley.v1.<tenant>.<run>.<pp>.<conversation>.<turn>.<Event>`) and which stream keeps it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from schemas.errors import InvalidField
from schemas.ids import ConversationId, RunId, Tenant, TurnId, checked_token, checked_uuid7

ROOT = "parley.v1"
PARTITIONS = 256  # fixed for ever: a conversation's partition is part of every subject ever stored
TURN_END = "TurnEnded"  # all three ends of a turn share one subject, so that the bus refuses a second

INTAKE_STREAM = "PARLEY_INTAKE"  # turns; refuses when Parley is full
REQUEST_STREAM = "PARLEY_REQUESTS"  # interruptions, feedback, persona updates, which are taken also then
EVENT_STREAM = "PARLEY_EVENTS"
DEAD_STREAM = "PARLEY_DEAD"
ADVISORY_STREAM = "PARLEY_ADVISORIES"
AUDIT_STREAM = "PARLEY_AUDIT"  # who read or deleted what of whom


@dataclass(frozen=True, slots=True)
class Address:
    """A subject taken apart."""

    tenant: Tenant
    run: RunId
    conversation: ConversationId
    turn: TurnId
    event: str


@lru_cache(maxsize=512)  # of a few conversations it is asked for each event, twice
def partition_of(conversation: ConversationId) -> str:
    """The conversation's partition as two hex digits: the first byte of its BLAKE2b hash."""
    return hashlib.blake2b(conversation.encode(), digest_size=1).hexdigest()


def stream_of(partition: str) -> str:
    """The stream that keeps a partition's events. Today one for all; nothing else decides it."""
    del partition
    return EVENT_STREAM


def subject_of(tenant: Tenant, run: RunId, conversation: ConversationId, turn: TurnId, token: str) -> str:
    """The subject of one event of one turn. The ids must have been checked."""
    return f"{ROOT}.{tenant}.{run}.{partition_of(conversation)}.{conversation}.{turn}.{token}"


def every(token: str, run: str = "*") -> str:
    """The filter that matches an event by its subject's last token, in all tenants (and in one run, when named)."""
    return f"{ROOT}.*.{run}.*.*.*.{token}"


def parse_subject(subject: str) -> Address:
    """Take a subject apart. Raises InvalidField when it is not one of ours."""
    parts = subject.split(".")
    if len(parts) != 8 or ".".join(parts[:2]) != ROOT:
        raise InvalidField("subject", subject, f"{ROOT}.<tenant>.<run>.<pp>.<conversation>.<turn>.<Event>")
    tenant, run, partition, conversation, turn, event = parts[2:]
    checked_token("subject.tenant", tenant)
    checked_token("subject.run", run)
    checked_uuid7("subject.conversation", conversation)
    checked_uuid7("subject.turn", turn)
    expected = partition_of(ConversationId(conversation))
    if partition != expected:
        raise InvalidField("subject.pp", partition, f"{expected!r}, the hash of the conversation")
    return Address(Tenant(tenant), RunId(run), ConversationId(conversation), TurnId(turn), event)
