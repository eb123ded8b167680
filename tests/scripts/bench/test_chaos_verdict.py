"""The judge of the chaos benchmark sees each promise that is broken, and only that one."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from infra.clock import new_id
from schemas.chat import Candidate, EngineUse, ReplyGenerated, SentenceGenerated
from schemas.event import Blob, Event, Fact, Meta
from schemas.intake import TextSubmitted
from schemas.intents import IntentLabel
from schemas.speech import ModelUse, SpeechReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import TextTurnOpened, TurnCompleted
from scripts.bench.ordeal.evidence import Evidence, Said
from scripts.bench.ordeal.script import Line, lines
from scripts.bench.ordeal.verdict import judge
from scripts.bench.ordeal.visitors import Accepted

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONVERSATION = new_id()
Plant = Callable[["Case"], None]


class Case:
    """Two turns of one conversation, each of which notes something, and all that is left of them."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.found = Evidence()
        for number, word in enumerate(("Zorbun", "Quilbax"), start=1):
            self._turn(number, word)
        self.found.stream = [Said(seq, said.event) for seq, said in enumerate(self.found.stream, start=1)]
        self.found.log = [(said.seq, said.event.meta.id) for said in self.found.stream]

    def _turn(self, number: int, word: str) -> None:
        turn = new_id()
        meta = Meta(id=turn, type="", conversation=CONVERSATION, turn=turn, user="ann", time=NOW, number=number)
        submitted = Event[Fact].first(TextSubmitted(text=f"note {word}"), meta)
        row, texts = f"{turn}-row", (f"I noted {word}.", "Good.")
        outcome = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, data={"note": row}, message=texts[0])
        reply = " ".join(texts)
        facts: list[Fact] = [
            TextTurnOpened(text=f"note {word}"),
            TaskCompleted(intent=0, outcome=outcome),
            *(
                SentenceGenerated(asked="?", index=i, text=text, last=i == 1, firsts=texts[:1])
                for i, text in enumerate(texts)
            ),
            ReplyGenerated(
                asked="?",
                candidates=(Candidate(text=reply, sentences=texts),),
                engine=EngineUse(backend="test", model="test"),
            ),
            TurnCompleted(reply=reply, sentences=2),
        ]
        self.found.stream += [Said(0, submitted.following("x", place, fact, NOW)) for place, fact in enumerate(facts)]
        self.found.rows.append((row, word))
        self.found.acted.append((turn, 0))
        line = Line(number, 0, f"note {word}", (word,), spoken=False, speech=False, interrupts=False)
        self.accepted.append(Accepted(line, submitted, intake_seq=number, tries=1))

    def place(self, turn: int, fact: type[Fact]) -> int:
        """Where the first such fact of a turn stands in the stream."""
        wanted = self.accepted[turn].meta.turn
        return next(
            i
            for i, said in enumerate(self.found.stream)
            if said.event.meta.turn == wanted and isinstance(said.event.fact, fact)
        )

    def take(self, turn: int, fact: type[Fact]) -> Event[Fact]:
        """Take it out of stream and log."""
        event = self.found.stream.pop(self.place(turn, fact)).event
        self.found.log = [row for row in self.found.log if row[1] != event.meta.id]
        return event

    def say(self, event: Event[Fact], seq: float) -> None:
        """Put it into the stream and the log."""
        self.found.stream.append(Said(int(seq), event))
        self.found.stream.sort(key=lambda said: said.seq)
        self.found.log.append((int(seq), event.meta.id))


def lose_the_end(case: Case) -> None:
    case.take(1, TurnCompleted)


def end_again(case: Case) -> None:
    end = case.found.stream[case.place(1, TurnCompleted)].event
    case.say(end.following("other", 9, end.fact, NOW), 99)


def act_again(case: Case) -> None:
    case.found.rows.append((new_id(), "Zorbun"))


def act_again_in_other_words(case: Case) -> None:
    case.found.rows.append((f"{case.accepted[0].meta.turn}-more", "Something else"))
    done = case.found.stream[case.place(0, TaskCompleted)].event
    outcome = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, message="Noted.")
    case.say(done.following("x", 7, TaskCompleted(intent=1, outcome=outcome), NOW), 3)


def undo_the_act(case: Case) -> None:
    case.found.rows.pop(0)


def never_tell(case: Case) -> None:
    case.take(0, TaskCompleted)


def splice(case: Case) -> None:
    old = case.take(0, SentenceGenerated)
    assert isinstance(old.fact, SentenceGenerated)
    case.say(old.following("x", 2, old.fact.model_copy(update={"text": "Another beginning."}), NOW), 3)


def say_a_sentence_again(case: Case) -> None:
    old = case.found.stream[case.place(0, SentenceGenerated)].event
    case.say(old.following("x", 8, old.fact, NOW), 5)


def speak_what_is_not_in_the_reply(case: Case) -> None:
    end = case.found.stream[case.place(0, TurnCompleted)].event
    sound = Blob(ref=f"sha256:{'0' * 64}", media_type="audio/wav", size_bytes=9)
    spoken = SpeechReady(
        index=2,
        last=True,
        text="More.",
        audio=sound,
        rate_hz=8000,
        audio_s=1,
        voice=ModelUse(backend="test", model="test"),
    )
    case.say(end.following("tts", 0, spoken, NOW), 6)


def forget_a_row(case: Case) -> None:
    case.found.log.pop(3)


def log_a_row_again(case: Case) -> None:
    case.found.log.append(case.found.log[3])


def open_early(case: Case) -> None:
    case.say(case.take(1, TextTurnOpened), 2)


def act_late(case: Case) -> None:
    case.found.acted.reverse()


def number_wrongly(case: Case) -> None:
    case.accepted[0].intake_seq = 3


PLANTED: dict[str, list[Plant]] = {
    "lost": [lose_the_end],
    "ended twice": [end_again],
    "acted twice": [act_again, act_again_in_other_words],
    "told and done differ": [undo_the_act, never_tell],
    "replies spliced": [splice, say_a_sentence_again, speak_what_is_not_in_the_reply],
    "log rows missing": [forget_a_row],
    "log rows double": [log_a_row_again],
    "out of order": [open_early, act_late, number_wrongly],
}


def test_where_all_is_well_nothing_is_found() -> None:
    case = Case()

    verdict = judge(case.accepted, case.found)

    assert verdict.good, verdict.broken
    assert (verdict.accepted, dict(verdict.ends)) == (2, {"completed": 2})


@pytest.mark.parametrize(("promise", "plant"), [(name, plant) for name, all_ in PLANTED.items() for plant in all_])
def test_a_broken_promise_is_found_and_no_other(promise: str, plant: Plant) -> None:
    case = Case()
    plant(case)

    verdict = judge(case.accepted, case.found)

    assert [name for name, cases in verdict.broken.items() if cases] == [promise]


def test_each_promise_has_been_broken_once() -> None:
    assert set(judge([], Evidence()).broken) == set(PLANTED)


def test_the_same_seed_gives_the_same_turns_and_no_word_twice() -> None:
    made = lines(7, 500, 12)

    assert made == lines(7, 500, 12) != lines(8, 500, 12)
    words = [mark for line in made for mark in line.marks]
    assert len(set(words)) == len(words) > 250
