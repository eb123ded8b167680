"""What a stream says to a message finds whoever waits for it, and no one waits for ever."""

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js.api import StreamConfig
from nats.js.errors import APIError, NoStreamResponseError

from infra.bus.connection import Bus

STREAM = "RECEIPTS"


@pytest.fixture
async def streaming(bus: Bus) -> Bus:
    await bus.js.add_stream(StreamConfig(name=STREAM, subjects=["receipts.*"], duplicate_window=30))
    return bus


async def test_many_at_once_are_each_told_their_own_place(streaming: Bus) -> None:
    receipts = streaming.receipts

    found = await asyncio.gather(*(receipts.publish("receipts.a", f"{n}".encode(), {}, 5.0) for n in range(50)))

    for number, receipt in enumerate(found):
        stored = await streaming.stored(STREAM, receipt["seq"])
        assert stored is not None
        assert stored.data == f"{number}".encode()


async def test_a_copy_is_told_as_one(streaming: Bus) -> None:
    first = await streaming.receipts.publish("receipts.a", b"", {"Nats-Msg-Id": "one"}, 5.0)
    second = await streaming.receipts.publish("receipts.a", b"", {"Nats-Msg-Id": "one"}, 5.0)

    assert "duplicate" not in first
    assert (second["duplicate"], second["seq"]) == (True, first["seq"])


async def test_what_the_stream_refuses_is_told_with_its_code(streaming: Bus) -> None:
    with pytest.raises(APIError) as refused:
        await streaming.receipts.publish("receipts.a", b"", {"Nats-Expected-Last-Subject-Sequence": "7"}, 5.0)

    assert refused.value.err_code == 10071


async def test_a_subject_that_no_stream_takes_is_told_at_once(streaming: Bus) -> None:
    with pytest.raises(NoStreamResponseError):
        await streaming.receipts.publish("nobody.takes.it", b"", {}, 60.0)


async def unanswered(streaming: Bus) -> None:
    async def keep(_subject: str, _payload: bytes) -> None:
        """Hears, and answers nothing."""

    await streaming.listen("silent", keep)


async def test_who_hears_nothing_is_told_after_the_time(streaming: Bus) -> None:
    await unanswered(streaming)

    with pytest.raises(TimeoutError):
        await streaming.receipts.publish("silent", b"", {}, 0.05)
    assert (await streaming.receipts.publish("receipts.a", b"", {}, 5.0))["seq"] == 1


async def test_who_is_cancelled_is_cancelled_also_when_the_answer_has_just_come(streaming: Bus, until: Any) -> None:
    """asyncio.wait_for would return the answer instead."""
    await unanswered(streaming)
    waiting = asyncio.create_task(streaming.receipts.publish("silent", b"", {}, 60.0))
    await until(lambda: streaming.receipts._waiting)
    [answer] = streaming.receipts._waiting.values()
    answer.set_result(Msg(streaming.client, data=b'{"stream": "s", "seq": 1}'))

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not streaming.receipts._waiting
