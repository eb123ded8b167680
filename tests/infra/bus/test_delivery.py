"""What stands in a message's headers."""

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from infra.bus.delivery import Delivery, Hop


@pytest.mark.parametrize("hop", [Hop("stt", 1.5, 820.25, 3, "00-abc"), Hop("keeper")])
def test_a_hop_is_read_back_from_its_headers(hop: Hop) -> None:
    assert Hop.read(hop.headers()) == hop


@pytest.mark.parametrize("told", ["", "1 2", "one two three", "1 2 3 4"])
def test_a_hop_that_cannot_be_read_is_no_obstacle(told: str) -> None:
    assert Hop.read({"Parley-Hop": told, "ce-source": "chat"}) == Hop("chat")


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.PARLEY_EVENTS.training_logger.1.4711.12.1763755200000000000.3",
        "$JS.ACK._.hash.PARLEY_EVENTS.training_logger.1.4711.12.1763755200000000000.3",
        "$JS.ACK.domain.hash.PARLEY_EVENTS.training_logger.1.4711.12.1763755200000000000.3.token",
    ],
)
def test_a_messages_place_is_the_one_that_its_metadata_tell(reply: str) -> None:
    raw = Msg(_client=Client(), reply=reply)

    assert Delivery.of(raw).stream_seq == raw.metadata.sequence.stream == 4711
