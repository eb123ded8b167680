"""When a microphone's partial text is asked for, and how answers become one text; on a clock that is turned by hand."""

import asyncio
from collections.abc import Callable

import pytest

from infra.audio import RATE_HZ
from infra.listening.utterances import Result, SoFar, SpeechPaused, SpeechResumed, UtteranceEnded
from pipeline.partial_texts import LEFT_OUT, NEW_SOUND, SOUND_MAX, PartialText, PartialTexts

ENDED = UtteranceEnded(0, 1, b"", "silence", voiced_ms=0, decided_at=1)


class Desk:
    """Asks with a clock and a recogniser that are turned by hand; sound is counted and not heard."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked: list[int] = []  # samples of each question
        self.told: list[PartialText] = []
        self.answers: asyncio.Queue[tuple[str | None, float]] = asyncio.Queue()
        self.texts = PartialTexts(self._ask, self._tell, lambda: self.now_s)

    async def _ask(self, pcm: bytes) -> str | None:
        self.asked.append(len(pcm) // 2)
        text, took_s = await self.answers.get()
        self.now_s += took_s
        return text

    async def _tell(self, text: PartialText) -> None:
        self.told.append(text)

    async def look(self, to_sample: int, from_sample: int = 0) -> None:
        """The stream has come so far; the question that this leads to is begun."""
        size = min(to_sample - from_sample, SOUND_MAX)
        self.texts.look(SoFar(from_sample, to_sample, bytes(2 * size)))
        await settled()

    async def answer(self, text: str | None, took_s: float = 0.1) -> None:
        self.answers.put_nowait((text, took_s))
        await settled()


async def settled() -> None:
    """Let all tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_nothing_is_asked_before_there_is_a_word_to_hear(desk: Desk) -> None:
    desk.texts.look(None)
    await desk.look(NEW_SOUND - 1)
    assert desk.asked == []

    await desk.look(NEW_SOUND)
    assert desk.asked == [NEW_SOUND]


async def test_one_question_at_a_time_and_then_a_rest_as_long_as_the_answer_took(desk: Desk) -> None:
    await desk.look(NEW_SOUND)
    await desk.look(3 * NEW_SOUND)
    assert len(desk.asked) == 1

    await desk.answer("it was", took_s=2.0)
    await desk.look(4 * NEW_SOUND)
    assert len(desk.asked) == 1

    desk.now_s += 2.0
    await desk.look(4 * NEW_SOUND)
    assert desk.asked == [NEW_SOUND, 4 * NEW_SOUND]
    assert desk.told == [PartialText("it was", 0, NEW_SOUND)]


async def test_each_refusal_makes_it_rarer_until_an_answer_comes(desk: Desk) -> None:
    asked_at_s: list[float] = []
    for quarter in range(1, 80):
        before = len(desk.asked)
        await desk.look(quarter * NEW_SOUND)
        if len(desk.asked) > before:
            asked_at_s.append(desk.now_s)
            await desk.answer(None, took_s=0.0)
        desk.now_s += 0.25

    assert asked_at_s == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5]
    assert desk.told == []


async def test_the_same_text_is_told_once(desk: Desk) -> None:
    for number in range(1, 4):
        await desk.look(number * NEW_SOUND)
        await desk.answer("it was", took_s=0.0)

    assert [text.text for text in desk.told] == ["it was"]


async def test_a_pause_is_asked_about_at_once_and_only_once(desk: Desk) -> None:
    await desk.look(NEW_SOUND)
    await desk.answer("it", took_s=0.0)
    desk.texts.note(SpeechPaused(NEW_SOUND))
    await desk.look(NEW_SOUND + 100)
    await desk.answer("it was", took_s=0.0)
    await desk.look(NEW_SOUND + 200)

    assert desk.asked == [NEW_SOUND, NEW_SOUND + 100]


async def test_an_answer_that_comes_after_the_utterance_has_ended_is_dropped(desk: Desk) -> None:
    await desk.look(NEW_SOUND)
    desk.texts.note(ENDED)
    await desk.answer("too late", took_s=0.0)
    await desk.look(9 * NEW_SOUND, from_sample=8 * NEW_SOUND)
    await desk.answer("the next", took_s=0.0)

    assert desk.told == [PartialText("the next", 8 * NEW_SOUND, 9 * NEW_SOUND)]


async def _long(desk: Desk, notes: Callable[[int], list[Result]], text: Callable[[int], str | None]) -> None:
    """Twenty seconds of one utterance, a second at a time."""
    for second in range(1, 21):
        for note in notes(second):
            desk.texts.note(note)
        before = len(desk.asked)
        await desk.look(second * RATE_HZ)
        if len(desk.asked) > before:
            await desk.answer(text(second), took_s=0.0)
        desk.now_s += 100


async def test_old_sound_keeps_the_text_that_it_had_at_a_pause(desk: Desk) -> None:
    def notes(second: int) -> list[Result]:
        return [SpeechPaused(0)] if second == 9 else [SpeechResumed(0)] if second == 10 else []

    await _long(desk, notes, lambda second: f"to {second}" if second < 13 else f"from 9 to {second}")

    assert desk.asked == [second * RATE_HZ for second in range(1, 13)] + [
        (second - 9) * RATE_HZ for second in range(13, 21)
    ]
    assert desk.told[-1] == PartialText("to 9 from 9 to 20", 0, 20 * RATE_HZ)


async def test_who_never_pauses_is_cut_where_the_last_answer_ended(desk: Desk) -> None:
    await _long(desk, lambda second: [], lambda second: f"to {second}")

    assert max(desk.asked) <= SOUND_MAX
    assert desk.told[-1].text == "to 12 to 20"


async def test_sound_that_nobody_could_read_in_time_is_left_out_and_told_so(desk: Desk) -> None:
    await _long(desk, lambda second: [], lambda second: None if second < 18 else f"to {second}")

    assert max(desk.asked) <= SOUND_MAX
    assert desk.told[-1].text == f"{LEFT_OUT} to 18 to 20"


async def test_closing_drops_what_is_on_its_way(desk: Desk) -> None:
    before = asyncio.all_tasks()
    await desk.look(NEW_SOUND)

    await desk.texts.aclose()

    assert asyncio.all_tasks() == before
    assert desk.told == []


async def test_a_listener_that_cannot_be_told_any_more_is_reported_to_who_looks(desk: Desk) -> None:
    async def gone(text: PartialText) -> None:
        raise ConnectionError("gone")

    desk.texts = PartialTexts(desk._ask, gone, lambda: desk.now_s)
    await desk.look(NEW_SOUND)
    await desk.answer("it was")

    with pytest.raises(ConnectionError, match="gone"):
        await desk.look(2 * NEW_SOUND)
