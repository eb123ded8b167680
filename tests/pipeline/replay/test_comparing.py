"""What counts as worse, better or merely otherwise when a turn is run again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from infra.engines.port import Vectors
from infra.word_errors import word_error_rate
from pipeline.export.turns import Feedback, LoggedTurn
from pipeline.replay.comparing import Change, Meaning, compared

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Placed:
    """An embedder that knows a few texts: their places on the unit circle, in degrees."""

    model, dimension = "circle", 2

    def __init__(self, **degrees: float) -> None:
        self._degrees = degrees

    def embed(self, texts: Sequence[str]) -> Vectors:
        angles = np.radians([self._degrees[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


ANYWHERE = Placed(asked=0, good=20, alike=40, off=100, reply=20, opposite=180)


def turn(reply: str = "good", *, text: str = "asked", label: str = "chit_chat", **told: Any) -> LoggedTurn:
    intents = told.pop("intents", [{"label": label, "text": text, "slots": told.pop("slots", {})}])
    made = LoggedTurn("a-turn", "a-conversation", "anna", NOON, text=text, intents=intents)
    made.status = told.pop("status", "completed")
    made.chosen = {"text": reply}
    made.generated = {"engine": {"backend": "llama.cpp", "fallback": False}}
    for name, value in told.items():
        setattr(made, name, value)
    return made


def only(before: LoggedTurn, after: LoggedTurn) -> Change:
    [change] = compared(before, after, Meaning(ANYWHERE)).changes
    return change


def task(message: str, *, success: bool = True, number: int = 1) -> tuple[int, dict[str, Any]]:
    return 0, {"skill": "create_note", "success": success, "message": message, "data": {"id": number}}


def test_a_turn_that_came_out_as_before_has_no_change() -> None:
    told = compared(turn(tasks=[task("Noted.", number=1)]), turn(tasks=[task("Noted.", number=2)]), Meaning(ANYWHERE))

    assert (told.changes, told.verdict, told.similarity) == ([], "same", 1.0)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [("completed", "failed", "worse"), ("failed", "completed", "better")],
)
def test_an_end_is_worse_or_better(before: Any, after: Any, verdict: str) -> None:
    change = only(turn("", status=before), turn("", status=after))

    assert (change.kind, change.verdict, change.before, change.after) == ("end", verdict, before, after)


def test_what_the_person_interrupted_is_compared_with_nothing() -> None:
    assert compared(turn(status="interrupted", spoken="good"), turn("opposite"), Meaning(ANYWHERE)).changes == []


@pytest.mark.parametrize(
    ("feedback", "now", "verdict"),
    [
        (None, "create_note", "worse"),
        (Feedback(rating="up"), "create_note", "worse"),
        (Feedback(rating="down"), "create_note", "changed"),
        (Feedback(intent="create_note"), "create_note", "better"),
        (Feedback(intent="chit_chat"), "create_note", "worse"),
        (Feedback(intent="create_ledger"), "create_note", "changed"),
    ],
)
def test_another_intent_is_judged_by_what_the_person_said(feedback: Feedback | None, now: str, verdict: str) -> None:
    change = only(turn(feedback=feedback), turn(label=now))

    assert (change.kind, change.verdict, change.before, change.after) == ("intents", verdict, "chit_chat", now)


def test_another_time_in_a_slot_is_worse_and_named() -> None:
    then, same, now = (
        {"when": {"text": "at three", "at": at}, "title": title, "all": False}
        for at, title in (
            ("2026-11-20T15:00:00Z", "Make tea."),
            ("2026-11-20T16:00:00+01:00", "make tea"),
            ("2026-11-20T03:00:00Z", "make tea"),
        )
    )

    change = only(turn(slots=then), turn(slots=now))

    assert (change.kind, change.verdict) == ("slots", "worse")
    assert change.before == "when: 'at three' (2026-11-20T15:00:00+00:00)"
    assert change.after == "when: 'at three' (2026-11-20T03:00:00+00:00)"
    assert compared(turn(slots=then), turn(slots=same), Meaning(ANYWHERE)).changes == []


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        ([task("Noted.")], [task("I could not.", success=False)], "worse"),
        ([task("Noted.")], [], "worse"),
        ([task("At 3 PM.")], [task("At 3 AM.")], "worse"),
        ([task("I could not.", success=False)], [task("Noted.")], "better"),
    ],
)
def test_another_deed_is_worse_unless_more_was_done(then: Any, now: Any, verdict: str) -> None:
    change = only(turn(tasks=then), turn(tasks=now))

    assert (change.kind, change.verdict) == ("tasks", verdict)


def test_an_engine_that_only_stood_in_is_worse() -> None:
    stood_in = turn()
    stood_in.generated = {"engine": {"backend": "contextual", "fallback": True, "reason": "llama.cpp is down"}}

    change = only(turn(), stood_in)

    assert (change.kind, change.verdict, change.after) == ("engine", "worse", "contextual: llama.cpp is down")
    assert compared(stood_in, turn(), Meaning(ANYWHERE)).changes == []


@pytest.mark.parametrize(
    ("now", "feedback", "verdict"),
    [
        ("alike", None, "changed"),
        ("off", None, "worse"),
        ("opposite", None, "worse"),
        ("off", Feedback(rating="down"), "changed"),
        ("off", Feedback(correction="alike"), "worse"),
        ("alike", Feedback(correction="off"), "better"),
    ],
)
def test_another_reply_is_worse_only_when_it_says_something_else_and_fits_less(
    now: str, feedback: Feedback | None, verdict: str
) -> None:
    change = only(turn("good", feedback=feedback), turn(now))

    assert (change.kind, change.verdict, change.before, change.after) == ("reply", verdict, "good", now)


def test_an_answer_without_a_model_where_one_had_answered_is_worse() -> None:
    ruled = turn()
    ruled.generated = {"engine": {"backend": "contextual", "fallback": False}}

    change = only(turn(), ruled)

    assert (change.kind, change.verdict, change.after) == ("engine", "worse", "contextual: no model was asked")


def test_replies_in_fixed_words_are_no_reason_to_trust_a_prompt() -> None:
    fixed = turn()
    fixed.generated = {"engine": {"backend": "fixed", "fallback": False}}

    assert compared(fixed, fixed, Meaning(ANYWHERE)).similarity is None
    assert compared(turn(), turn(), Meaning(ANYWHERE)).similarity == 1.0


def test_a_reply_in_the_skills_words_is_compared_as_their_deed() -> None:
    change = only(turn("good", tasks=[task("good")]), turn("opposite", tasks=[task("opposite")]))

    assert change.kind == "tasks"


def test_what_was_heard_is_counted_in_words() -> None:
    before, after = turn(text="asked", heard=0.9), turn(text="ask it", heard=0.8)

    told = compared(before, replace(after, intents=before.intents), Meaning(ANYWHERE))

    assert told.wer == 2.0
    assert [(change.kind, change.verdict, change.after) for change in told.changes] == [
        ("transcript", "changed", "ask it")
    ]


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("Call John at five.", "call john at five", 0.0),
        ("call John at five", "call Joan at five", 0.25),
        ("call John", "call John at five", 1.0),
        ("call John at five", "", 1.0),
        ("", "", 0.0),
        ("", "hm", 1.0),
        ("don't", "dont", 1.0),
    ],
)
def test_word_error_rate(reference: str, heard: str, rate: float) -> None:
    assert word_error_rate(reference, heard) == rate
