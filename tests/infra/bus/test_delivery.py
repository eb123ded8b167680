"""What stands in a message's headers."""

import pytest

from infra.bus.delivery import Hop


@pytest.mark.parametrize("hop", [Hop("stt", 1.5, 820.25, 3, "00-abc"), Hop("keeper")])
def test_a_hop_is_read_back_from_its_headers(hop: Hop) -> None:
    assert Hop.read(hop.headers()) == hop


@pytest.mark.parametrize("told", ["", "1 2", "one two three", "1 2 3 4"])
def test_a_hop_that_cannot_be_read_is_no_obstacle(told: str) -> None:
    assert Hop.read({"Parley-Hop": told, "ce-source": "chat"}) == Hop("chat")
