"""A client and the gateway on a real socket and a real bus; what stages say is said by the test."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from infra.audio import RATE_HZ, Samples
from infra.blobs.files import FileBlobs
from infra.blobs.port import BlobError
from infra.bus.connection import Bus
from infra.clock import new_id
from infra.listening.batches import Batches
from infra.listening.voice_activity import WINDOW
from infra.tokens import Role, make_token
from pipeline import judged_turns
from pipeline.gateway.socket.microphone import Microphone
from pipeline.state_desk import ASK_SUBJECT
from pipeline.wiring import BLOB_FOLDER
from schemas import socket as protocol
from schemas import subjects
from schemas.event import Event, Fact
from schemas.intake import InterruptRequested, TextSubmitted
from schemas.speech import ModelUse, SpeechReady
from schemas.tasks import ReminderDue
from schemas.turns import TextTurnOpened, TurnCompleted
from scripts.bench.talking.client import Client, connected_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import OwnServer
    from tests.pipeline.gateway.socket.conftest import Serve, Served

    NewEvent = Callable[..., Event[Fact]]
    SaidAtLast = Callable[[Bus, Event[Fact]], Awaitable[None]]
    Until = Callable[..., Awaitable[Any]]

KEY = "a key of more than thirty-two bytes, for this test"
HELLO = {"type": "hello", "version": protocol.VERSION}


async def refusal(address: str, *frames: str | bytes) -> tuple[dict[str, Any], int]:
    """What a client is told that says this, and the code with which it is hung up on."""
    async with connect(f"ws{address.removeprefix('http')}/ws") as socket:
        for frame in frames:
            await socket.send(frame)
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(20):
                async for message in socket:
                    told = json.loads(message)
        except ConnectionClosed:
            pass
        assert socket.close_code is not None
        return told, socket.close_code


def types(client: Client) -> list[str]:
    return [came.message["type"] for came in client.came]


# The beginning


async def test_whoever_says_hello_is_told_who_it_is_and_what_is_taken(served: "Served") -> None:
    async with connected_to(served.address) as client:
        [welcome, caught_up] = [came.message for came in client.came]

    assert (welcome["type"], welcome["version"], welcome["user"]) == ("welcome", protocol.VERSION, "me")
    assert welcome["limits"] == {"frame_max_bytes": 64 * 1024, "utterance_max_s": 120.0, "idle_s": 300.0}
    assert caught_up == {"type": "caught-up", "seq": 0}


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (json.dumps({"type": "ping"}), "type"),
        (b"\x00\x01", "type"),
        ("not JSON", "message"),
        ("[]", "message"),
        (json.dumps({**HELLO, "version": "2.0"}), "hello.version"),
        (json.dumps({**HELLO, "conversation": "mine"}), "hello.conversation"),
        (json.dumps({**HELLO, "after": -1}), "hello.after"),
        (json.dumps({**HELLO, "time_zone": "Mars/Olympus"}), "hello.time_zone"),
    ],
)
async def test_what_is_no_hello_is_refused_with_the_reason(served: "Served", frame: str | bytes, field: str) -> None:
    told, code = await refusal(served.address, frame)

    assert (told["type"], told["status"], told["fatal"], told["field"]) == ("problem", 422, True, field)
    assert code == protocol.CLOSE_PROTOCOL


async def test_a_client_that_says_nothing_is_hung_up_on(serve_gateway: "Serve") -> None:
    served = await serve_gateway(hello_within_s=0.2)

    told, code = await refusal(served.address)

    assert (told, code) == ({}, protocol.CLOSE_PROTOCOL)


async def test_a_session_in_which_nothing_is_said_ends(serve_gateway: "Serve") -> None:
    served = await serve_gateway(idle_s=0.2)

    _, code = await refusal(served.address, json.dumps(HELLO))

    assert code == protocol.CLOSE_PROTOCOL


async def test_a_frame_that_is_too_large_ends_the_session(serve_gateway: "Serve") -> None:
    served = await serve_gateway(frame_max_kb=1)

    _, code = await refusal(served.address, json.dumps(HELLO), b"\x00" * 2048)

    assert code == protocol.CLOSE_TOO_BIG


async def test_with_tokens_a_client_is_who_its_token_says_and_none_without(serve_gateway: "Serve") -> None:
    served = await serve_gateway(auth="jwt", key=KEY)
    token = make_token(served.settings, "ann", [Role.USER], timedelta(minutes=5), datetime.now(UTC))

    told, code = await refusal(served.address, json.dumps(HELLO))
    forged, forged_code = await refusal(served.address, json.dumps({**HELLO, "token": token[:-4] + "AAAA"}))
    async with connected_to(served.address, token=token) as client:
        welcome = client.came[0].message

    assert (told["status"], code) == (401, protocol.CLOSE_REFUSED)
    assert (forged["status"], forged_code) == (401, protocol.CLOSE_REFUSED)
    assert token[:-4] not in json.dumps(forged)
    assert welcome["user"] == "ann"


async def test_a_token_for_figures_only_is_none_to_talk_with(serve_gateway: "Serve") -> None:
    served = await serve_gateway(auth="jwt", key=KEY)
    token = make_token(served.settings, "ann", [Role.ANALYTICS], timedelta(minutes=5), datetime.now(UTC))

    told, code = await refusal(served.address, json.dumps({**HELLO, "token": token}))

    assert (told["status"], code) == (403, protocol.CLOSE_REFUSED)


async def test_a_session_ends_when_its_token_does(serve_gateway: "Serve") -> None:
    served = await serve_gateway(auth="jwt", key=KEY)
    token = make_token(served.settings, "ann", [Role.USER], timedelta(seconds=1), datetime.now(UTC))

    _, code = await refusal(served.address, json.dumps({**HELLO, "token": token}))

    assert code == protocol.CLOSE_REFUSED


async def test_no_more_sockets_are_opened_than_one_user_may_have(serve_gateway: "Serve") -> None:
    served = await serve_gateway(sockets_per_user=2)

    async with connected_to(served.address), connected_to(served.address):
        told, code = await refusal(served.address, json.dumps(HELLO))
    async with connected_to(served.address) as again:
        assert again.conversation

    assert (told["status"], code) == (429, protocol.CLOSE_REFUSED)
    assert told["retry_after_s"] > 0


async def test_a_client_that_says_too_much_is_told_to_wait_and_then_hung_up_on(serve_gateway: "Serve") -> None:
    served = await serve_gateway(requests_per_minute=5)
    ping = json.dumps({"type": "ping"})

    async with connected_to(served.address) as client:
        for _ in range(6):
            await client.socket.send(ping)
        with pytest.raises(RuntimeError, match="Too Many Requests"):
            await client.first("never")
        for _ in range(30):
            with contextlib.suppress(ConnectionClosed):
                await client.socket.send(ping)
        async with asyncio.timeout(10):
            await client.socket.wait_closed()

    assert types(client).count("pong") <= 5
    assert client.socket.close_code == protocol.CLOSE_PROTOCOL


# What the client says


async def test_a_typed_turn_is_accepted_when_the_bus_has_it(served: "Served") -> None:
    turn = new_id()
    async with connected_to(served.address, speech=False, time_zone="Europe/Berlin") as client:
        await client.say("say", turn=turn, text="hello", interrupts=True)
        accepted = await client.first("accepted")

        [event] = await served.submitted()

    assert accepted.message["turn"] == turn
    assert event.fact == TextSubmitted(text="hello", interrupts=True)
    meta = event.meta
    assert (meta.turn, meta.conversation, meta.user) == (turn, client.conversation, "me")
    assert (meta.speech, meta.time_zone) == (False, "Europe/Berlin")


async def test_the_same_turn_said_again_is_one_turn(served: "Served") -> None:
    turn = new_id()
    for _ in range(2):
        async with connected_to(served.address) as client:
            await client.say("say", turn=turn, text="hello")
            await client.first("accepted")

    assert [event.meta.turn for event in await served.submitted()] == [turn]


async def test_nonsense_is_told_as_such_and_the_session_goes_on(served: "Served", until: "Until") -> None:
    async with connected_to(served.address) as client:
        for frame in (
            "{",
            '{"type": "nix"}',
            '{"type": "say", "text": ""}',
            b"sound without a microphone",
            json.dumps(HELLO),
        ):
            await client.socket.send(frame)
        await client.say("ping", id="still there")
        await until(lambda: types(client)[-1] == "pong")

    problems = [came.message for came in client.came if came.message["type"] == "problem"]
    assert [problem["status"] for problem in problems] == [422] * 5
    assert [problem["field"] for problem in problems] == ["message", "type", "say.text", "frame", "type"]
    assert not any(problem["fatal"] for problem in problems)


async def test_a_client_that_says_nothing_but_nonsense_is_hung_up_on(served: "Served") -> None:
    _, code = await refusal(served.address, json.dumps(HELLO), *[b"\xff\xfe"] * 50)

    assert code == protocol.CLOSE_PROTOCOL


async def test_a_turn_can_be_stopped(served: "Served", new_event: "NewEvent") -> None:
    opened = await served.say(new_event(TextTurnOpened(text="go on"), user="me"))
    async with connected_to(served.address, conversation=opened.meta.conversation) as client:
        await client.say("interrupt", turn=opened.meta.turn, sentences_played=1)
        await client.say("ping")
        await client.first("pong")

    [event] = await served.submitted(subjects.REQUEST_STREAM)
    assert event.fact == InterruptRequested(reason="stopped by the user", sentences_played=1)
    assert event.meta.turn == opened.meta.turn


async def test_a_turn_that_still_waits_can_be_stopped(served: "Served") -> None:
    turn = new_id()
    async with connected_to(served.address) as client:
        await client.say("say", turn=turn, text="hello")
        await client.say("interrupt", turn=turn)
        await client.say("ping")
        await client.first("pong")

    [event] = await served.submitted(subjects.REQUEST_STREAM)
    assert isinstance(event.fact, InterruptRequested)
    assert (event.meta.turn, event.meta.conversation) == (turn, client.conversation)


async def test_a_candidate_that_there_was_not_is_told_by_the_field_of_the_message(
    served: "Served", new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = new_event(TextTurnOpened(text="hi"), user="me")

    async def found(*_: object) -> judged_turns.Judged:
        return judged_turns.Judged(opened.meta, 1)

    monkeypatch.setattr(judged_turns, "find", found)
    async with connected_to(served.address) as client:
        await client.say("feedback", turn=opened.meta.turn, preferred=3)
        with pytest.raises(RuntimeError, match=r"feedback\.preferred: 3 is not allowed"):
            await client.first("recorded")


# The microphone


@pytest.fixture
def deaf_blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sound can be stored."""

    async def put(*_: object) -> None:
        raise BlobError("no room")

    monkeypatch.setattr(FileBlobs, "put", put)


@pytest.fixture
def all_is_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a microphone hears."""

    async def probabilities(_: object, __: object, samples: Samples) -> "NDArray[np.float32]":
        return np.ones(len(samples) // WINDOW, np.float32)

    monkeypatch.setattr(Batches, "probabilities", probabilities)


async def recording(client: Client) -> None:
    """Half a second of a loud tone, recorded by hand."""
    tone = (np.sin(np.arange(RATE_HZ // 2) / 8) * 12_000).astype("<i2").tobytes()
    await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ, ends_turn="close")
    await client.socket.send(tone)
    await client.say("close")


@pytest.mark.usefixtures("deaf_blobs", "all_is_speech")
async def test_sound_that_cannot_be_stored_is_told_and_the_session_goes_on(served: "Served") -> None:
    async with connected_to(served.address) as client:
        await recording(client)
        with pytest.raises(RuntimeError, match="the sound cannot be used now"):
            await client.first("accepted")
        await client.say("ping")
        async with asyncio.timeout(20):
            await client.count("pong", 1, 20)


@pytest.mark.usefixtures("all_is_speech")
async def test_what_nobody_expected_of_a_microphone_ends_the_session(
    served: "Served", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would take what is heard, more sound would wait for ever, and the socket's place with it."""

    async def taken(*_: object) -> None:
        raise RuntimeError("none of those that are told")

    monkeypatch.setattr(Microphone, "_take", taken)
    async with connected_to(served.address) as client:
        before = len(asyncio.all_tasks())
        await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ)
        await client.socket.send(bytes(RATE_HZ))
        async with asyncio.timeout(20):
            await client.socket.wait_closed()
        await until(lambda: len(served.app.state.given.company) == 0)
        left = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]

    assert client.socket.close_code == 1011
    assert not left & {"Peer.run", "ListeningStream._listen", "Microphone._hear"}, before


async def test_after_the_listener_failed_the_microphone_can_be_opened_again(
    served: "Served", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probabilities(*_: object) -> None:
        raise RuntimeError("as a model does")

    monkeypatch.setattr(Batches, "probabilities", probabilities)
    async with connected_to(served.address) as client:
        await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ)
        await client.first("listening", state="open")
        await client.socket.send(bytes(2048))
        await client.say("close")
        await client.socket.send(bytes(2048))
        await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ)
        await until(lambda: types(client).count("listening") == 3 or client.socket.close_code is not None)

    assert client.socket.close_code == 1000
    assert [came.message["state"] for came in client.came if "state" in came.message] == ["open", "closed", "open"]


async def test_a_stream_cannot_go_on_where_samples_cannot_be_counted(served: "Served") -> None:
    async with connected_to(served.address) as client:
        await client.say("microphone", stream=new_id(), rate_hz=RATE_HZ, first_sample=2**53 - 1)
        with pytest.raises(RuntimeError, match=r"microphone\.first_sample"):
            await client.first("listening")


# What happens in the conversation


async def test_what_happens_in_the_conversation_is_told_in_order_with_its_place(
    served: "Served", new_event: "NewEvent"
) -> None:
    async with connected_to(served.address) as client:
        await served.say(new_event(TextTurnOpened(text="elsewhere"), user="me"))
        opened = await served.say(new_event(TextTurnOpened(text="hi"), user="me", conversation=client.conversation))
        await served.say(opened.following("keeper", 1, TurnCompleted(reply="Hello.", sentences=1), datetime.now(UTC)))
        await client.first("ended")

    [first, second] = [came.message for came in client.came[2:]]
    assert (first["type"], first["text"], first["seq"]) == ("opened", "hi", 2)
    assert (second["type"], second["outcome"], second["reply"], second["seq"]) == ("ended", "completed", "Hello.", 3)
    assert second["by"] == {"stage": "keeper", "queue_ms": 1.0, "work_ms": 2.0, "attempt": 1}


async def test_sound_follows_the_message_that_announces_it(served: "Served", new_event: "NewEvent") -> None:
    async with connected_to(served.address) as client:
        spoken = await speech(served, new_event, client.conversation, b"RIFF sound")
        audio = await client.first("audio")

    assert (audio.message["size_bytes"], audio.sound) == (10, b"RIFF sound")
    assert audio.message["turn"] == spoken.meta.turn


async def test_sound_that_is_gone_is_told_without_it(served: "Served", new_event: "NewEvent") -> None:
    async with connected_to(served.address) as client:
        spoken = await speech(served, new_event, client.conversation, b"RIFF sound", kept=False)
        await served.say(spoken.following("keeper", 1, TurnCompleted(reply="Hello.", sentences=1), datetime.now(UTC)))
        audio = await client.first("audio")
        await client.first("ended")

    assert (audio.message["size_bytes"], audio.sound) == (0, b"")


async def test_whoever_was_cut_off_gets_what_it_missed_once_and_from_any_gateway(
    serve_gateway: "Serve", new_event: "NewEvent"
) -> None:
    one, other = await serve_gateway(), await serve_gateway()
    conversation = new_id()
    texts = ["one", "two", "three", "four"]
    for text in texts[:2]:
        await one.say(new_event(TextTurnOpened(text=text), user="me", conversation=conversation))
    async with connected_to(one.address, conversation=conversation, after=0) as client:
        assert [came.message.get("text") for came in client.came[1:]] == ["one", "two", None]
        seen = client.came[2].message["seq"]
    for text in texts[2:]:
        await one.say(new_event(TextTurnOpened(text=text), user="me", conversation=conversation))

    async with connected_to(other.address, conversation=conversation, after=seen) as client:
        told = [came.message for came in client.came]

    assert [message["type"] for message in told] == ["welcome", "opened", "opened", "caught-up"]
    assert [message.get("text") for message in told[1:3]] == ["three", "four"]
    assert told[3]["seq"] == told[2]["seq"]


async def test_without_after_only_what_happens_from_now_on_is_told(served: "Served", new_event: "NewEvent") -> None:
    before = await served.say(new_event(TextTurnOpened(text="before"), user="me"))
    async with connected_to(served.address, conversation=before.meta.conversation) as client:
        await served.say(new_event(TextTurnOpened(text="after"), user="me", conversation=client.conversation))
        opened = await client.first("opened")

    assert opened.message["text"] == "after"


async def test_places_in_a_stream_that_is_gone_mean_nothing(served: "Served", new_event: "NewEvent") -> None:
    opened = await served.say(new_event(TextTurnOpened(text="hi"), user="me"))
    async with connected_to(
        served.address, conversation=opened.meta.conversation, after=1_000, stream="2026-01-01T00:00:00+00:00"
    ) as client:
        assert client.came[0].message["after"] == 0
        assert (await client.first("opened")).message["text"] == "hi"


async def test_a_place_to_which_the_stream_has_not_come_means_nothing(served: "Served", new_event: "NewEvent") -> None:
    opened = await served.say(new_event(TextTurnOpened(text="hi"), user="me"))
    conversation = opened.meta.conversation
    async with connected_to(served.address, conversation=conversation, after=1_000, audio_after=1_000) as client:
        assert client.came[0].message["after"] == 0
        assert (await client.first("opened")).message["text"] == "hi"
        await speech(served, new_event, conversation, b"RIFF sound")
        audio = await client.first("audio")

    assert audio.sound == b"RIFF sound"


async def test_that_all_was_told_is_told_once(served: "Served", new_event: "NewEvent") -> None:
    before = await served.say(new_event(TextTurnOpened(text="before"), user="me"))
    conversation = before.meta.conversation
    for after in (None, before.meta.number + 1):
        async with connected_to(served.address, conversation=conversation, after=after) as client:
            mine = new_event(TextTurnOpened(text="now"), user="me", conversation=conversation)
            await served.say(mine)
            await client.first("opened", turn=mine.meta.turn)
            await client.say("ping")
            await client.first("pong")

        assert types(client).count("caught-up") == 1


async def test_after_a_reload_old_answers_are_not_played_again(served: "Served", new_event: "NewEvent") -> None:
    conversation = new_id()
    await speech(served, new_event, conversation, b"RIFF old")
    async with connected_to(served.address, conversation=conversation, after=0, audio_after=1) as client:
        old = await client.first("audio")
        await speech(served, new_event, conversation, b"RIFF new")
        new = await client.first("audio", seq=2)

    assert (old.message["size_bytes"], old.sound) == (0, b"")
    assert new.sound == b"RIFF new"


async def test_another_users_conversation_is_not_joined(served: "Served", new_event: "NewEvent") -> None:
    opened = await served.say(new_event(TextTurnOpened(text="secret"), user="ann"))

    told, code = await refusal(served.address, json.dumps({**HELLO, "conversation": opened.meta.conversation}))

    assert (told["status"], told["fatal"], code) == (404, True, protocol.CLOSE_REFUSED)
    assert "ann" not in json.dumps(told)


async def test_whose_a_conversation_is_the_books_tell_first(served: "Served", new_event: "NewEvent") -> None:
    """Its oldest events leave the stream before it does: then somebody else's may be the oldest there."""
    mine = await served.say(new_event(TextTurnOpened(text="mine"), user="me"))
    anns = await served.say(new_event(TextTurnOpened(text="hers"), user="ann"))
    owners = {mine.meta.conversation: "ann", anns.meta.conversation: "me"}

    async def answer(payload: bytes) -> bytes:
        return json.dumps({"answer": owners[json.loads(payload)["question"]["conversation"]]}).encode()

    served.bus.answer(ASK_SUBJECT, answer)
    await served.bus.start_answering()

    told, _ = await refusal(served.address, json.dumps({**HELLO, "conversation": mine.meta.conversation}))
    async with connected_to(served.address, conversation=anns.meta.conversation, after=0) as client:
        assert types(client) == ["welcome", "caught-up"]

    assert told["status"] == 404


async def test_what_another_user_says_in_the_conversation_is_not_told(served: "Served", new_event: "NewEvent") -> None:
    async with connected_to(served.address) as client:
        await served.say(new_event(TextTurnOpened(text="secret"), user="ann", conversation=client.conversation))
        await served.say(new_event(TextTurnOpened(text="mine"), user="me", conversation=client.conversation))
        opened = await client.first("opened")

    assert opened.message["text"] == "mine"


@pytest.mark.parametrize("kind", ["interrupt", "feedback"])
async def test_another_users_turn_is_not_there(served: "Served", new_event: "NewEvent", kind: str) -> None:
    opened = await served.say(new_event(TextTurnOpened(text="secret"), user="ann"))
    async with connected_to(served.address) as client:
        await client.say(kind, turn=opened.meta.turn, **({"rating": "up"} if kind == "feedback" else {}))
        with pytest.raises(RuntimeError, match=r"Not Found|Service Unavailable"):
            await client.first("pong")

    assert await served.submitted(subjects.REQUEST_STREAM) == []


async def test_a_reminder_that_falls_due_is_told_to_its_user_once(served: "Served", new_event: "NewEvent") -> None:
    due = ReminderDue(reminder="r1", title="sleep", due_at=datetime.now(UTC), message="Time to sleep.")
    async with connected_to(served.address) as client:
        for event in (new_event(due, user="ann"), mine := new_event(due, user="me")):
            await served.say(event)
        await served.bus.client.publish(mine.subject, mine.encoded())
        await client.first("reminder")
        await client.say("ping")
        await client.first("pong")

    assert types(client)[2:] == ["reminder", "pong"]


async def test_many_clients_of_one_conversation_all_hear_it(served: "Served", new_event: "NewEvent") -> None:
    conversation = new_id()
    async with asyncio.TaskGroup() as group, asyncio.timeout(30):

        async def listen() -> str:
            async with connected_to(served.address, conversation=conversation, after=0) as client:
                found = await client.first("opened")
                return str(found.message["text"])

        listening = [group.create_task(listen()) for _ in range(10)]
        await served.say(new_event(TextTurnOpened(text="to all"), user="me", conversation=conversation))

    assert {task.result() for task in listening} == {"to all"}


async def test_a_client_that_never_reads_is_left_and_the_others_are_served(
    served: "Served", new_event: "NewEvent", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.gateway.socket.peer.READ_WITHIN_S", 0.5)
    conversation = new_id()
    sound = bytes(1024 * 1024)
    deaf = connect(f"ws{served.address.removeprefix('http')}/ws", max_queue=1, max_size=None, close_timeout=0.1)
    async with deaf as socket, connected_to(served.address, conversation=conversation, after=0) as client:
        await socket.send(json.dumps({**HELLO, "conversation": conversation, "after": 0}))
        for _ in range(30):
            await speech(served, new_event, conversation, sound)
        last = await speech(served, new_event, conversation, b"the last")
        heard = await client.first("audio", turn=last.meta.turn)
        await until(lambda: len(served.app.state.given.company) == 1)

    assert heard.sound == b"the last"


@pytest.mark.slow
async def test_a_bus_that_was_away_is_waited_for_and_nothing_is_missed(
    serve_gateway: "Serve", own_server: "OwnServer", new_event: "NewEvent", said_at_last: "SaidAtLast"
) -> None:
    async with Bus(own_server.address, name="test-gateway") as bus:
        served = await serve_gateway(on=bus)
        async with connected_to(served.address) as client:
            before = new_event(TextTurnOpened(text="before"), user="me", conversation=client.conversation)
            await said_at_last(bus, before)
            await client.first("opened", text="before")
            await own_server.kill()
            await client.say("say", text="is anybody there?")
            with pytest.raises(RuntimeError, match="Service Unavailable"):
                await client.first("accepted")
            await own_server.start()
            after = new_event(TextTurnOpened(text="after"), user="me", conversation=client.conversation)
            await said_at_last(bus, after)
            opened = await client.first("opened", after=len(client.came), text="after")

        assert opened.message["seq"] == 2
        assert types(client).count("opened") == 2


async def test_a_bus_that_comes_back_without_its_data_makes_clients_begin_anew(
    serve_gateway: "Serve", own_server: "OwnServer", new_event: "NewEvent", said_at_last: "SaidAtLast"
) -> None:
    async with Bus(own_server.address, name="test-gateway") as bus:
        served = await serve_gateway(on=bus)
        async with connected_to(served.address) as client:
            mine = {"user": "me", "conversation": client.conversation}
            for text in ("one", "two"):
                await said_at_last(bus, new_event(TextTurnOpened(text=text), **mine))
            await client.first("opened", text="two")
            await own_server.kill()
            shutil.rmtree(own_server.folder / "store")
            await own_server.start()
            async with Bus(own_server.address, name="test-declaring") as other:
                await other.declare()
            await said_at_last(bus, new_event(TextTurnOpened(text="anew"), **mine))
            async with asyncio.timeout(30):
                await client.socket.wait_closed()

    assert client.socket.close_code == protocol.CLOSE_AGAIN


async def speech(
    served: "Served", new_event: "NewEvent", conversation: str, sound: bytes, *, kept: bool = True
) -> Event[Fact]:
    """A sentence is spoken."""
    blobs = FileBlobs(served.settings.data_dir / BLOB_FOLDER)
    blob = await blobs.put(sound, "audio/wav")
    if not kept:
        await blobs.delete(blob)
    voice = ModelUse(backend="test", model="test")
    fact = SpeechReady(index=0, last=True, text="Hi.", audio=blob, rate_hz=24_000, audio_s=1.0, voice=voice)
    return await served.say(new_event(fact, user="me", conversation=conversation, stage="tts"))
