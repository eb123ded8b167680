"""Dead letters as a person handles them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.clock import SystemClock
from pipeline import dead_desk
from pipeline.cli.dead import retry_all
from schemas.chat import ReplyRequested
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.intents import IntentLabel
from schemas.subjects import INTAKE_STREAM
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent

CHAT = Hop("chat")


async def bury(bus: Bus, event: Event[Fact], about: str) -> None:
    headers = {"Parley-Stage": "chat", "Parley-Subject": event.subject, "Parley-About": about}
    await bus.put("parley.dead.chat", event.encoded(), headers)


@pytest.fixture
def opened(new_event: "NewEvent") -> Event[Fact]:
    return new_event(TextTurnOpened(text="Dora owes me 7 dollars"))


@pytest.fixture
def asked(opened: Event[Fact]) -> Event[Fact]:
    return opened.following("router", 0, ReplyRequested(text="Dora owes me 7 dollars"), datetime.now(UTC))


@pytest.mark.parametrize("about", ["no JSON", "[1]", '{"tries": "many"}', ""])
async def test_a_letter_that_somebody_else_has_put_there_can_be_listed_and_dropped(
    bus: Bus, asked: Event[Fact], about: str
) -> None:
    await bury(bus, asked, about)

    [letter] = await dead_desk.letters(bus)
    await dead_desk.drop(bus, [letter])

    assert (letter.stage, letter.tries, letter.turn) == ("chat", 1, asked.meta.turn)
    assert await dead_desk.letters(bus) == []


async def test_a_turn_is_sent_again_once_however_many_letters_it_left(
    bus: Bus, opened: Event[Fact], asked: Event[Fact], new_event: "NewEvent"
) -> None:
    await bus.say(opened, CHAT)
    other = new_event(TextTurnOpened(text="another turn"))
    for event in (asked, asked, other):
        await bury(bus, event, '{"error": "OSError"}')
    first, second, _ = await dead_desk.letters(bus)

    again = await dead_desk.retry(bus, SystemClock(), first)

    assert await dead_desk.retry(bus, SystemClock(), second) == again, "somebody else's list may be older"
    assert (await bus.extent(INTAKE_STREAM)).messages == 1
    assert [letter.turn for letter in await dead_desk.letters(bus)] == [other.meta.turn]


async def test_a_turn_in_which_something_was_done_is_not_sent_again(
    bus: Bus, opened: Event[Fact], asked: Event[Fact]
) -> None:
    await bus.say(opened, CHAT)
    message = "Dora owes you 7 dollars."
    outcome = TaskOutcome(skill=IntentLabel.CREATE_LEDGER, success=True, data={}, message=message)
    done = TaskCompleted(intent=0, outcome=outcome)
    await bus.say(asked.following("router", 1, done, datetime.now(UTC)), CHAT)
    await bury(bus, asked, '{"error": "OSError"}')
    [letter] = await dead_desk.letters(bus)

    with pytest.raises(InvalidField, match="Dora owes you"):
        await dead_desk.retry(bus, SystemClock(), letter)

    assert (await bus.extent(INTAKE_STREAM)).messages == 0
    assert await dead_desk.letters(bus) == [letter]


async def test_of_many_letters_each_turn_is_sent_once_and_one_that_cannot_be_holds_up_no_other(
    bus: Bus, opened: Event[Fact], asked: Event[Fact], new_event: "NewEvent", capsys: pytest.CaptureFixture[str]
) -> None:
    await bus.say(opened, CHAT)
    never_opened = new_event(TextTurnOpened(text="never opened"))
    for event in (never_opened, asked, asked):
        await bury(bus, event, '{"error": "OSError"}')

    left = await retry_all(bus, await dead_desk.letters(bus))

    assert left == 1
    assert (await bus.extent(INTAKE_STREAM)).messages == 1
    told = [line.split(":")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert told == ["left;", "sent", "its"]
    assert [letter.turn for letter in await dead_desk.letters(bus)] == [never_opened.meta.turn]
