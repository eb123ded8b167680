"""How Parley stands, where something has gone wrong: the true cause, once, and no advice that would not help."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra import troubles
from infra.bus.connection import Bus
from infra.clock import SetClock, SystemClock
from infra.settings import EngineSettings, Settings
from infra.troubles import Trouble
from pipeline import topology
from pipeline.presence import Presence
from pipeline.standing import WELL_AFTER, standing_of
from pipeline.state_watch import STATE_BROKEN

DAMAGED = "/data/state.sqlite3: the file is damaged; restore a backup"
NO_KEEPER = "no keeper is running; start one with `parley stage keeper`"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, engine=EngineSettings(backend="contextual"))


@pytest.fixture
def now() -> SetClock:
    return SetClock(SystemClock().now())


@pytest.fixture
async def all_but_keeper(bus: Bus, now: SetClock) -> AsyncIterator[None]:
    for name in set(topology.PROCESSES) - {topology.KEEPER}:
        await present(bus, name, now)
    yield


async def present(bus: Bus, name: str, since: SetClock) -> None:
    presence = Presence(name, since.now(), dict)
    presence.ready = True
    await presence.announce(bus)


def ended(settings: Settings, now: SetClock, words: str, *, damaged_state: bool = False, name: str = "keeper") -> None:
    troubles.note(settings.data_dir, Trouble(name=name, at=now.now(), words=words, damaged_state=damaged_state))


@pytest.mark.usefixtures("all_but_keeper")
async def test_a_worker_that_is_missing_and_of_which_nothing_is_known_can_be_started(
    bus: Bus, settings: Settings, now: SetClock
) -> None:
    standing = await standing_of(bus, settings, now.now())

    assert standing.wrong[0] == NO_KEEPER
    assert standing.state is not None
    assert standing.wrong[1:] == (f"the state does not answer: {standing.state}",)


@pytest.mark.usefixtures("all_but_keeper")
async def test_one_that_is_started_again_and_again_has_its_reason_instead(
    bus: Bus, settings: Settings, now: SetClock
) -> None:
    ended(settings, now, "keeper is started again and again, and ended with status 1")

    standing = await standing_of(bus, settings, now.now())

    assert standing.wrong[0] == "keeper is started again and again, and ended with status 1"
    assert NO_KEEPER not in standing.wrong


@pytest.mark.usefixtures("all_but_keeper")
@pytest.mark.parametrize("known_by", ["the one who ended", "the keeper that closed intake", "both"])
async def test_a_damaged_state_is_one_line(bus: Bus, settings: Settings, now: SetClock, known_by: str) -> None:
    if known_by != "the keeper that closed intake":
        for name in sorted(topology.OPEN_STATE):
            ended(settings, now, DAMAGED, damaged_state=True, name=name)
    if known_by != "the one who ended":
        await bus.close_intake(f"{STATE_BROKEN}{DAMAGED}")

    standing = await standing_of(bus, settings, now.now())

    assert standing.wrong == (f"{STATE_BROKEN}{DAMAGED}",)
    assert standing.state == f"{STATE_BROKEN}{DAMAGED}"


@pytest.mark.usefixtures("all_but_keeper")
async def test_a_state_that_was_mended_is_damaged_no_more(bus: Bus, settings: Settings, now: SetClock) -> None:
    for name in sorted(topology.OPEN_STATE):
        ended(settings, now, DAMAGED, damaged_state=True, name=name)
    now.at += timedelta(seconds=1)
    await present(bus, topology.KEEPER, now)

    standing = await standing_of(bus, settings, now.now())

    assert not [words for words in standing.wrong if DAMAGED in words]


@pytest.mark.usefixtures("all_but_keeper")
async def test_a_bus_that_is_back_is_told_of_until_it_has_been_well(
    bus: Bus, settings: Settings, now: SetClock
) -> None:
    ended(settings, now, "the bus has lost its folder", name="bus")

    soon = await standing_of(bus, settings, now.now() + WELL_AFTER)
    later = await standing_of(bus, settings, now.now() + WELL_AFTER + timedelta(seconds=1))

    assert "the bus has lost its folder" in soon.wrong
    assert "the bus has lost its folder" not in later.wrong


@pytest.mark.usefixtures("all_but_keeper")
async def test_what_is_over_is_told_no_more(bus: Bus, settings: Settings, now: SetClock) -> None:
    ended(settings, now, "router is started again and again", name="router")
    now.at += timedelta(seconds=1)
    await present(bus, "router", now)

    soon = await standing_of(bus, settings, now.now() + WELL_AFTER)
    later = await standing_of(bus, settings, now.now() + WELL_AFTER + timedelta(seconds=1))

    assert "router is started again and again" in soon.wrong, "it may meet the same message again"
    assert "router is started again and again" not in later.wrong
