"""Whatever is published on a subject of a running Parley: nobody ends or falls silent, and no other turn suffers.

A message belongs to the turn that its subject names, since that is what a bus can grant or refuse; whatever it says of
itself, it can neither end nor speak nor act for another.
"""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.bus.errors import BusFull, BusUnavailable, Overtaken
from infra.bus.streams import DEAD_SUBJECT
from infra.clock import SystemClock, new_id
from infra.engines.scripted import Answer
from pipeline import dead_desk, metrics, presence, topology
from pipeline.logging_stage import ASK_SUBJECT, ask_log
from schemas import subjects
from schemas.catalogue import FACTS, SUBMISSIONS
from schemas.chat import SentenceGenerated
from schemas.errors import InvalidField
from schemas.ids import DEFAULT_TENANT, LIVE_RUN, ConversationId, TurnId
from schemas.turns import TurnCompleted
from tests.e2e.harm import hurried
from tests.e2e.whole import violations

if TYPE_CHECKING:
    from tests.e2e.whole import Whole

pytestmark = pytest.mark.slow
GOLDEN = [
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "schemas" / "golden" / "v1").glob("*.json"))
]
TOKENS = sorted({fact.token for fact in (*FACTS, *SUBMISSIONS)})
ASKED = (presence.SUBJECT, metrics.SUBJECT, ASK_SUBJECT)
ADVISED = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.PARLEY_EVENTS.chat"
HEADERS = ("ce-type", "Nats-Msg-Id", "Parley-Hop", "Parley-Deadline", "traceparent", "Parley-Stage", "X-Other")
EXAMPLES = 12
NOTE = "take a note that the {} key is under the pot"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("x" * 60_000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An event as it is on the wire, with one of its fields left out, changed, or added."""
    tree: Any = json.loads(draw(st.sampled_from(GOLDEN)))
    place = tree[draw(st.sampled_from(("meta", "fact")))]
    key = draw(st.sampled_from([*place, "other"]))
    if key in place and draw(st.booleans()):
        del place[key]
    else:
        place[key] = draw(json_values)
    return json.dumps(tree).encode(errors="surrogatepass")


@st.composite
def event_subjects(draw: st.DrawFn) -> str:
    """A subject that some stream takes, of a turn that nobody else has; now and then with a wrong partition or run."""
    right = subjects.subject_of(
        DEFAULT_TENANT, LIVE_RUN, ConversationId(new_id()), TurnId(new_id()), draw(st.sampled_from(TOKENS))
    ).split(".")
    place = draw(st.sampled_from((None, None, None, 2, 3, 4, 5, 6)))
    if place is not None:
        right[place] = draw(st.sampled_from(("a", "zz", "x" * 200, "-")))
    return ".".join(right)


visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
payloads = (
    st.binary(max_size=200) | mutated() | st.sampled_from(GOLDEN) | json_values.map(lambda t: json.dumps(t).encode())
)
messages = st.tuples(
    event_subjects() | st.sampled_from((f"{DEAD_SUBJECT}.chat", ADVISED)),
    payloads,
    st.dictionaries(st.sampled_from(HEADERS), visible, max_size=3),
)


@pytest.fixture
async def running(parley: "Whole", monkeypatch: pytest.MonkeyPatch) -> "Whole":
    """All members; tries follow one another at once, since much will be tried in vain."""
    hurried(monkeypatch)
    monkeypatch.setattr("pipeline.retry.FIRST_DELAY_S", 0.01)
    await parley.start(*topology.PROCESSES)
    return parley


async def put(parley: "Whole", subject: str, payload: bytes, headers: dict[str, str]) -> None:
    with contextlib.suppress(BusFull, BusUnavailable, Overtaken, InvalidField):  # refused, which is as well
        await parley.bus.put(subject, payload, headers)


async def nobody_minds(parley: "Whole") -> None:
    """A turn completes, and nobody has ended or been started again."""
    await parley.ended(await parley.say("tell me something about dogs", to=len(parley.accepted)))
    assert [member.ended_with for member in parley.members if member.ended_with] == []


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(messages, min_size=5, max_size=25))
async def test_whatever_is_published_turns_go_on(
    running: "Whole", batch: list[tuple[str, bytes, dict[str, str]]]
) -> None:
    for subject, payload, headers in batch:
        await put(running, subject, payload, headers)

    await nobody_minds(running)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=st.lists(
        st.tuples(st.sampled_from(ASKED), payloads),
        max_size=20,
    ),
    answered=st.booleans(),
)
async def test_whatever_is_asked_answers_go_on(
    running: "Whole", asked: list[tuple[str, bytes]], answered: bool
) -> None:
    for subject, payload in asked:
        await running.bus.client.publish(subject, payload, reply=running.bus.client.new_inbox() if answered else "")

    await nobody_minds(running)
    assert (await ask_log(running.bus, "SELECT 1 AS one")).rows == ((1,),)
    assert {present.name for present in await presence.who_is_there(running.bus)} == set(topology.PROCESSES)
    assert "parley_stage_handled" in await metrics.gathered(running.bus, SystemClock())


async def test_what_was_refused_can_be_looked_at_and_everything_else_is_as_it_should_be(running: "Whole") -> None:
    for token in TOKENS:
        subject = subjects.subject_of(DEFAULT_TENANT, LIVE_RUN, ConversationId(new_id()), TurnId(new_id()), token)
        await put(running, subject, b"\xff\x00", {})
        await put(running, subject, b'{"meta":{"type":"TextTurnOpened","schema_version":"9.0"},"fact":{}}', {})
    await put(running, f"{DEAD_SUBJECT}.chat", b"somebody's own", {})
    await nobody_minds(running)

    letters = await dead_desk.letters(running.bus)
    verdict = await running.verdict()

    heard = {fact.token for name in topology.STAGE_NAMES for fact in topology.stage(name).hears}
    assert {letter.subject.rpartition(".")[2] for letter in letters} >= heard
    assert violations(verdict) == set()


async def test_an_event_can_never_speak_act_or_end_for_a_turn_that_its_subject_does_not_name(running: "Whole") -> None:
    """All that a turn has led to, and its end, is said once more on subjects of turns that somebody has made up."""
    running.engine.script = lambda _: Answer("One is here. Two is there. Three is late.", gap_s=0.15)
    done = await running.say(NOTE.format("Zorbun"), "Zorbun")
    await running.ended(done)
    victim = await running.say("tell me something about dogs", to=1, speech=True)
    await running.told(victim, SentenceGenerated)
    for event in (*await running.events(done), *await running.events(victim)):
        meta = event.meta.model_copy(
            update={"conversation": victim.meta.conversation, "turn": victim.meta.turn, "id": new_id()}
        )
        forged = event.model_copy(update={"meta": meta})
        subject = subjects.subject_of(
            DEFAULT_TENANT, LIVE_RUN, ConversationId(new_id()), TurnId(new_id()), event.fact.token
        )
        await put(running, subject, forged.encoded(), {"ce-type": meta.type, "Nats-Msg-Id": meta.id})

    [end] = await running.ended(victim)
    verdict = await running.verdict()

    assert isinstance(end.fact, TurnCompleted)
    assert end.fact.reply == "One is here. Two is there. Three is late."
    assert violations(verdict) == set()
