"""Speech into the socket of a whole Parley: heard while it is spoken, answered with sound, and spoken over."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from infra.audio import RATE_HZ, decode_blocking, pcm_of, wav_of
from infra.clock import new_id
from infra.voices.factory import make_voice
from scripts.bench.talking.client import Client, connected_to

if TYPE_CHECKING:
    from tests.conftest import Parley

    NewParley = Callable[..., Parley]

pytestmark = pytest.mark.slow
WISH = "Remind me tomorrow at three to call the dentist."
OTHER = "Please list all of my reminders again."
QUIET_FROM = 0.01  # of full scale: below it nobody would hear a sound


@pytest.fixture(scope="module")
def said() -> dict[str, bytes]:
    """Two sentences of the bundled voice, PCM s16le at RATE_HZ."""

    async def speak() -> dict[str, bytes]:
        voice = make_voice("hibari")
        await voice.load()
        try:
            sounds = {text: await voice.speak(text) for text in (WISH, OTHER)}
        finally:
            await voice.aclose()
        return {text: pcm_of(decode_blocking(wav_of(each.pcm, each.rate_hz))) for text, each in sounds.items()}

    return asyncio.run(speak())


@pytest.fixture(scope="module")
def parley(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Parley]":
    """One Parley with a gateway, for all tests here."""
    from tests.conftest import ready_parley

    ours = {"MINIMAL_MODE": "true", "PARLEY_GATEWAY__ENABLED": "true", "PARLEY_GATEWAY__PORT": "0"}
    with ready_parley(tmp_path_factory.mktemp("parley"), **ours) as parley:
        yield parley


@pytest.fixture
def address(parley: "Parley") -> str:
    return address_of(parley)


@pytest.fixture
async def client(address: str) -> AsyncIterator[Client]:
    async with connected_to(address) as client:
        yield client


def address_of(parley: "Parley") -> str:
    """What `parley up` tells a person to open."""
    [*_, last] = re.findall(r"gateway +(http://\S+) is ready", parley.told)
    return str(last)


def messages(client: Client, kind: str) -> list[dict[str, Any]]:
    return [came.message for came in client.came if came.message["type"] == kind]


async def test_a_turn_by_button_is_heard_while_it_is_spoken_and_answered_with_sound(
    client: Client, said: dict[str, bytes]
) -> None:
    await client.speak(said[WISH], RATE_HZ)
    audio = await client.first("audio", last=True)
    ended = await client.first("ended")

    [transcript], [accepted] = messages(client, "transcript"), messages(client, "accepted")
    assert transcript["text"] == "Remind me tomorrow at 3 to call the dentist."
    assert accepted["until_sample"] == len(said[WISH]) // 2
    assert [task["outcome"]["success"] for task in messages(client, "task")] == [True]
    assert ended.message["outcome"] == "completed"
    samples = decode_blocking(audio.sound)
    assert np.abs(samples).max() > 0.1, "it can be heard"
    assert len(samples) / RATE_HZ == pytest.approx(audio.message["audio_s"], abs=0.05)
    states = [message["state"] for message in messages(client, "listening")]
    assert states == ["open", "speech", "confirmed", "pause", "over", "closed"]


async def test_what_is_said_is_shown_while_it_is_said(client: Client, said: dict[str, bytes]) -> None:
    partials: list[dict[str, Any]] = []
    for _ in range(3):  # the first one may still wait for a model; on a busy machine only its first sounds may be read
        await client.speak(said[WISH], RATE_HZ)
        await client.first("ended", after=len(client.came))
        partials = messages(client, "partial")
        if partials and "remind" in partials[-1]["text"].lower():
            break

    assert partials, "something is shown while somebody speaks"
    assert "remind" in partials[-1]["text"].lower()
    over = [message["at_sample"] for message in messages(client, "listening") if message["state"] == "over"]
    assert all(0 < partial["audio_s"] <= over[-1] / RATE_HZ for partial in partials)


async def test_silence_ends_a_turn_and_whoever_speaks_over_the_answer_interrupts_it(
    client: Client, said: dict[str, bytes]
) -> None:
    async with asyncio.TaskGroup() as group:
        quiet = asyncio.Event()
        await client.speak(said[WISH], RATE_HZ, ends_turn="silence")
        silence = group.create_task(client.stay_silent(RATE_HZ, quiet))
        answered = (await client.first("audio")).message["turn"]
        quiet.set()
        await silence
        before = len(client.came)

        await go_on(client, said[OTHER])
        cut = await client.first("cut-short", after=before)
        quiet.clear()
        silence = group.create_task(client.stay_silent(RATE_HZ, quiet))
        heard = await client.first("transcript", after=before)
        await client.first("ended", after=before, outcome="completed")
        quiet.set()

    assert (cut.message["turn"], cut.message["sentences_played"], cut.message["reply"]) == (answered, 0, "")
    assert heard.message["text"] == "Please list all of my reminders again."
    reasons = [message["reason"] for message in messages(client, "listening") if message["state"] == "over"]
    assert reasons == ["end-of-turn"] * 2


async def go_on(client: Client, pcm: bytes) -> None:
    """More sound into the microphone that is open."""
    size = RATE_HZ // 25 * 2
    for at in range(0, len(pcm), size):
        await client.socket.send(pcm[at : at + size])
        await asyncio.sleep(0.04)


async def test_an_open_microphone_in_a_quiet_room_is_no_turn(client: Client) -> None:
    await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ)
    noise = np.random.default_rng(0).normal(0, 30, RATE_HZ * 3).astype("<i2").tobytes()
    for at in range(0, len(noise), 3200):
        await client.socket.send(noise[at : at + 3200])
    await client.say("close")
    await client.first("listening", state="closed")

    assert [message["state"] for message in messages(client, "listening")] == ["open", "closed"]
    assert messages(client, "accepted") == []


async def test_what_was_spoken_can_be_discarded(client: Client, said: dict[str, bytes]) -> None:
    await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ, ends_turn="close")
    for at in range(0, len(said[WISH]), 3200):
        await client.socket.send(said[WISH][at : at + 3200])
    await client.say("close", discard=True)
    await client.first("listening", state="closed")
    await client.say("ping")
    await client.first("pong")

    assert messages(client, "accepted") == []


async def test_sound_that_is_sent_again_after_a_lost_connection_is_the_same_turn(
    address: str, said: dict[str, bytes]
) -> None:
    stream, turns = new_id(), []
    for _ in range(2):
        async with connected_to(address) as client:
            await client.say("microphone", stream=stream, rate_hz=RATE_HZ, ends_turn="close")
            for at in range(0, len(said[WISH]), 3200):
                await client.socket.send(said[WISH][at : at + 3200])
            await client.say("close")
            turns.append((await client.first("accepted")).message["turn"])

    assert turns[0] == turns[1]


async def test_a_gateway_that_is_killed_loses_nothing_and_repeats_nothing(
    parley: "Parley",
) -> None:
    told: list[dict[str, Any]] = []
    address, conversation, turn = address_of(parley), new_id(), new_id()
    async with connected_to(address, conversation=conversation) as client:
        await client.say("say", turn=turn, text="note to buy milk and note to buy bread")
        await client.first("intents")
        os.kill(parley.pid_of("gateway"), signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(10):
                await client.socket.wait_closed()
                await client.say("ping")
        told += [came.message for came in client.came]
        stream = told[0]["stream"]
    seen = max(message["seq"] for message in told if "by" in message)

    async with asyncio.timeout(60):
        while True:
            try:
                async with connected_to(address, conversation=conversation, after=seen, stream=stream) as client:
                    await client.say("say", turn=turn, text="note to buy milk and note to buy bread")
                    await client.first("ended")
                    told += [came.message for came in client.came]
                    break
            except (OSError, InvalidHandshake):
                await asyncio.sleep(0.1)

    seqs = [message["seq"] for message in told if "by" in message]
    assert seqs == sorted(set(seqs))
    kinds = [message["type"] for message in told if "by" in message]
    assert (kinds.count("opened"), kinds.count("task"), kinds.count("ended")) == (1, 2, 1)
    assert not [came for came in client.came if came.message["type"] == "audio" and not came.sound]
