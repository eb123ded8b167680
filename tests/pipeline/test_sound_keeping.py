"""Which sounds are removed, and when."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from os import utime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.blobs.files import FileBlobs
from infra.clock import SetClock
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from infra.settings import AudioSettings, LogSettings, Settings
from pipeline.sound_keeping import MARGIN, WITH_SOUND, SoundKeeping
from pipeline.wiring import sound_kept
from schemas import catalogue
from schemas.event import Blob, Event, Fact
from schemas.speech import ModelUse, SpeechReady
from schemas.turns import SpeechTurnOpened, TurnCompleted

if TYPE_CHECKING:
    from tests.conftest import NewEvent

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOT_KEPT = timedelta()
DAYS = timedelta(days=30)
DEADLINE = timedelta(minutes=1)


class House:
    """A log and a store on one clock."""

    def __init__(self, log: EventLog, root: Path, clock: SetClock, new_event: "NewEvent") -> None:
        self.log, self.root, self.clock, self._new_event = log, root, clock, new_event
        self.blobs = FileBlobs(root)
        self._seq = 0

    async def put(self, data: bytes) -> Blob:
        blob = await self.blobs.put(data, "audio/wav")
        utime(next(self.root.rglob(blob.ref.removeprefix("sha256:"))), times=(self.clock.at.timestamp(),) * 2)
        return blob

    async def record(self, *events: Event[Fact]) -> None:
        rows = []
        for event in events:
            self._seq += 1
            rows.append(Row(self._seq, event.subject, {}, event.encoded()))
        await self.log.append(Batch(StreamIdentity("S", NOON), tuple(rows)))

    def opened(self, sound: Blob) -> Event[Fact]:
        event = self._new_event(SpeechTurnOpened(audio=sound))
        meta = event.meta.model_copy(update={"time": self.clock.at, "deadline": self.clock.at + DEADLINE})
        return event.model_copy(update={"meta": meta})

    async def turn(self, sound: Blob, answer: Blob | None = None, *, ends: bool = True) -> None:
        """A spoken turn of five seconds."""
        opened = self.opened(sound)
        await self.record(opened)
        self.clock.at += timedelta(seconds=5)
        if answer is not None:
            voice = ModelUse(backend="pyttsx3", model="en-us")
            said = SpeechReady(index=0, last=True, text="Hi.", audio=answer, rate_hz=16_000, audio_s=1, voice=voice)
            await self.record(opened.following("tts", 0, said, self.clock.at))
        if ends:
            await self.record(opened.following("keeper", 0, TurnCompleted(reply="Hi.", sentences=1), self.clock.at))

    async def look(self, kept: timedelta) -> int:
        gone, _ = await SoundKeeping(self.log.ask, self.blobs, kept, self.clock).look()
        return gone


@pytest.fixture
async def house(tmp_path: Path, new_event: "NewEvent") -> AsyncIterator[House]:
    clock = SetClock(NOON)
    async with await open_log(tmp_path / "log.duckdb", clock=clock) as log:
        yield House(log, tmp_path / "blobs", clock, new_event)


async def test_sound_that_is_not_kept_goes_when_the_turns_deadline_is_over_and_a_margin(house: House) -> None:
    recording, answer = await house.put(b"hello"), await house.put(b"hi")
    await house.turn(recording, answer)

    house.clock.at = NOON + DEADLINE + MARGIN
    assert await house.look(NOT_KEPT) == 0
    house.clock.at += timedelta(seconds=1)
    assert await house.look(NOT_KEPT) == 2

    assert not await house.blobs.exists(recording)
    assert not await house.blobs.exists(answer)
    refs = await house.log.ask("SELECT payload->>'$.audio.ref' FROM events WHERE type = 'SpeechReady'")
    assert refs.rows == ((answer.ref,),), "the log keeps the reference"


async def test_sound_of_a_turn_that_goes_on_stays(house: House) -> None:
    await house.turn(await house.put(b"hello"), ends=False)

    house.clock.at += timedelta(hours=23)
    assert await house.look(NOT_KEPT) == 0
    house.clock.at += timedelta(hours=2)  # it never ended
    assert await house.look(NOT_KEPT) == 1


async def test_sound_that_another_turn_uses_too_stays_until_that_is_over(house: House) -> None:
    sound = await house.put(b"hello")
    await house.turn(sound)
    house.clock.at = NOON + timedelta(minutes=10)
    await house.turn(sound, ends=False)

    assert await house.look(NOT_KEPT) == 0


async def test_sound_that_was_put_again_and_is_not_yet_in_the_log_stays(house: House) -> None:
    await house.turn(await house.put(b"hello"))
    house.clock.at = NOON + timedelta(minutes=10)
    await house.put(b"hello")
    house.clock.at += timedelta(seconds=30)

    assert await house.look(NOT_KEPT) == 0


async def test_sound_that_the_log_knows_no_turn_of_waits_for_a_day(house: House) -> None:
    await house.put(b"its submission waits")

    house.clock.at += timedelta(hours=23)
    assert await house.look(NOT_KEPT) == 0
    house.clock.at += timedelta(hours=2)
    assert await house.look(NOT_KEPT) == 1


async def test_sound_that_is_kept_for_days_goes_after_them(house: House) -> None:
    await house.turn(await house.put(b"old"))
    house.clock.at = NOON + timedelta(days=20)
    young = await house.put(b"young")
    await house.turn(young)

    house.clock.at = NOON + DAYS
    assert await house.look(DAYS) == 0
    house.clock.at += timedelta(minutes=3)
    assert await house.look(DAYS) == 1
    assert await house.blobs.exists(young)


async def test_turns_in_the_archive_count_too(house: House) -> None:
    sound = await house.put(b"hello")
    await house.turn(sound)
    house.clock.at = NOON + timedelta(days=20)
    await house.turn(sound)
    house.clock.at = NOON + DAYS + timedelta(days=1)
    while await house.log.archiving.archive_piece(house.clock.at.date(), house.clock.at) is not None:
        pass

    assert await house.look(DAYS) == 0


async def test_a_log_without_what_was_said_knows_the_references(tmp_path: Path, new_event: "NewEvent") -> None:
    clock = SetClock(NOON)
    async with await open_log(tmp_path / "log.duckdb", clock=clock, keeps_content=False) as log:
        house = House(log, tmp_path / "blobs", clock, new_event)
        await house.turn(await house.put(b"hello"))
        clock.at = NOON + timedelta(minutes=3)

        assert await house.look(NOT_KEPT) == 1


def test_all_events_with_sound_are_known() -> None:
    with_sound = {name for name, fact in catalogue.BY_NAME.items() if "audio" in fact.model_fields}

    assert with_sound - {"AudioSubmitted"} == set(WITH_SOUND), "submissions are not in the log"


@pytest.mark.parametrize(
    ("audio", "log", "kept"),
    [
        (AudioSettings(), LogSettings(), None),
        (AudioSettings(keep=False), LogSettings(), timedelta()),
        (AudioSettings(keep_days=3), LogSettings(keep_days=30), timedelta(days=3)),
        (AudioSettings(), LogSettings(keep_days=30), timedelta(days=30)),
    ],
)
def test_how_long_is_what_the_settings_say(audio: AudioSettings, log: LogSettings, kept: timedelta | None) -> None:
    assert sound_kept(Settings(audio=audio, log=log)) == kept
