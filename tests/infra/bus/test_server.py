"""The embedded nats-server: private, on loopback, and clear about why it does not start."""

import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.bus import server
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusUnavailable
from infra.bus.server import BusAddress, BusServerFailed
from schemas import subjects
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

LISTENING = "0A"  # <net/tcp_states.h>


def listeners(port: int) -> set[str]:
    """The local addresses, in the kernel's hexadecimal, on which somebody listens on this port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, hexadecimal = local.partition(":")
            if state == LISTENING and int(hexadecimal, 16) == port:
                found.add(address)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's table of sockets")
def test_it_listens_on_loopback_only(bus_address: BusAddress) -> None:
    assert listeners(int(bus_address.url.rpartition(":")[2])) == {"0100007F"}


@pytest.mark.parametrize("token", [None, "guessed"])
async def test_a_client_without_the_token_is_refused(bus_address: BusAddress, token: str | None) -> None:
    with pytest.raises(BusUnavailable, match=f"no bus at {bus_address.url}: .*[Aa]uthorization"):
        async with Bus(BusAddress(bus_address.url, token), name="stranger"):
            pass


async def test_its_configuration_holds_the_token_and_is_its_owners(own_server: "OwnServer") -> None:
    path = own_server.folder / "store" / server.CONFIG_NAME

    assert own_server.token in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_configuration_is_private_also_where_an_open_one_lay(tmp_path: Path) -> None:
    path = tmp_path / "store" / server.CONFIG_NAME
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o644)

    process, _ = await server.start(tmp_path / "store", tmp_path / "log", token="secret")
    process.kill()
    await process.wait()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_killed_server_that_starts_again_has_every_acknowledged_event(
    own_server: "OwnServer", new_event: "NewEvent"
) -> None:
    async with Bus(own_server.address, name="test") as bus:
        for n in range(50):
            await bus.say(new_event(TextTurnOpened(text=str(n))), Hop("test"))

    await own_server.kill()
    await own_server.start()

    async with Bus(own_server.address, name="test") as bus:
        assert (await bus.js.stream_info(subjects.EVENT_STREAM)).state.messages == 50


async def test_a_port_that_is_taken_is_named_as_the_reason(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()

        with pytest.raises(BusServerFailed, match="address already in use"):
            await server.start(tmp_path / "store", tmp_path / "log", port=taken.getsockname()[1])


async def test_a_store_that_cannot_be_used_is_named_as_the_reason(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "jetstream").write_text("a file where a folder must be")

    with pytest.raises(
        BusServerFailed, match=r"nats-server ended with status \d+: .*storage directory is not a directory"
    ):
        await server.start(store, tmp_path / "log")


def test_without_the_binary_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(BusServerFailed, match=r"nats-server is missing; run scripts/demo .* or set NATS_URL"):
        server.binary()


async def test_where_nobody_listens_the_address_is_named() -> None:
    url = f"nats://{server.HOST}:{server.free_port()}"

    with pytest.raises(BusUnavailable, match=f"no bus at {url}"):
        async with Bus(BusAddress(url), name="test"):
            pass


def test_a_stream_that_could_not_be_written_is_noticed_once(tmp_path: Path) -> None:
    log = tmp_path / "nats-server.log"
    line = "[1] 2026/11/20 [ERR] Filestore [PARLEY_INTAKE] Critical write error: write 8.blk: no space left on device\n"
    log.write_text(line)
    errors = server.WriteErrors(log)

    before = errors.found()
    with log.open("a") as file:
        file.write("[1] 2026/11/20 [INF] Server is ready\n" + line)

    told = "Filestore [PARLEY_INTAKE] Critical write error: write 8.blk: no space left on device"
    assert (before, errors.found(), errors.found()) == (None, told, None)
