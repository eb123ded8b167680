"""What becomes of turns in each kind of training data."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import new_id
from pipeline.export.choosing import Choice
from schemas.chat import EngineUse
from schemas.intents import IntentLabel, Money, Slots, When
from schemas.tasks import TaskOutcome

if TYPE_CHECKING:
    from pipeline.export.exporting import Done
    from tests.pipeline.export.conftest import Talks

Exported = Callable[..., Awaitable["Done"]]
SYSTEM = {"role": "system", "content": "You are Parley."}


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of both splits."""
    return [
        json.loads(line)
        for split in ("train", "test")
        for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


async def test_a_reply_is_an_example_with_its_history_and_system_prompt(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    talks.say("and a dog?", "Dogs bark.", history=(("what does a cat say?", "Cats purr."),))

    await exported("sft", tmp_path / "out")

    wanted = [
        SYSTEM,
        user("what does a cat say?"),
        assistant("Cats purr."),
        user("and a dog?"),
        assistant("Dogs bark."),
    ]
    assert rows(tmp_path / "out") == [{"messages": wanted}]


async def test_what_a_skill_did_is_a_tool_call_with_its_result(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    said = "I owe the bakery 12.50 euros for bread"
    done = TaskOutcome(skill=IntentLabel.CREATE_LEDGER, success=True, message="You owe the bakery €12.50.")
    slots = Slots(
        person="the bakery",
        direction="i_owe",
        amount=Money(value=Decimal("12.50"), currency="EUR"),
        purpose="bread",
        all=True,
    )
    talks.say(said, done.message, label=IntentLabel.CREATE_LEDGER, slots=slots, task=done)

    await exported("sft", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    call, result, reply = row["messages"][2:]
    [function] = [one["function"] for one in call["tool_calls"]]
    arguments = {"person": "the bakery", "direction": "i_owe", "amount": "12.50 EUR", "purpose": "bread"}
    assert function == {"name": "create_ledger", "arguments": arguments}
    assert result == {"role": "tool", "name": "create_ledger", "content": done.message}
    assert reply == assistant(done.message)
    [tool] = json.loads(row["tools"])
    assert set(arguments) <= set(tool["function"]["parameters"]["properties"])


async def test_an_answer_to_a_question_is_called_with_what_the_skill_made_of_it(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    done = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, data={"text": "buy milk"}, message="Noted.")
    talks.say("yes", "Noted.", label=IntentLabel.UNKNOWN, task=done)

    await exported("sft", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert row["messages"][2]["tool_calls"][0]["function"] == {
        "name": "create_note",
        "arguments": {"title": "buy milk"},
    }


AT_NINE = When(text="tomorrow at nine", at=datetime(2026, 11, 21, 9, tzinfo=UTC))


def reminded(due: str = "2026-11-21T10:00:00+01:00", **data: Any) -> TaskOutcome:
    told = {"reminder": "r1", "title": "water the plants", "due_at": due, **data}
    return TaskOutcome(skill=IntentLabel.CREATE_REMINDER, success=True, data=told, message="It is set.")


@pytest.mark.parametrize("label", [IntentLabel.SCHEDULE_EVENT, IntentLabel.CREATE_REMINDER, IntentLabel.UNKNOWN])
async def test_an_answer_with_a_time_is_called_with_the_whole_wish(
    talks: "Talks", exported: Exported, tmp_path: Path, label: IntentLabel
) -> None:
    talks.say("tomorrow at nine", "It is set.", label=label, slots=Slots(when=AT_NINE), task=reminded())

    await exported("sft", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    arguments = row["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert arguments == {"title": "water the plants", "when": "tomorrow at nine"}


@pytest.mark.parametrize(
    ("slots", "task"),
    [
        (Slots(), reminded()),
        (Slots(when=AT_NINE), reminded("2026-11-22T09:00:00+00:00")),
        (Slots(title="water the plants"), reminded()),
        (Slots(when=AT_NINE), reminded().model_copy(update={"success": False})),
        (Slots(), TaskOutcome(skill=IntentLabel.ADD_EXPENSE, success=True, data={"expense": "e"}, message="Added.")),
        (Slots(), TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, data={"dropped": True}, message="Dropped.")),
    ],
)
async def test_an_answer_whose_whole_wish_the_log_does_not_tell_is_left_out(
    talks: "Talks", exported: Exported, tmp_path: Path, slots: Slots, task: TaskOutcome
) -> None:
    label = task.skill if slots.title or task.skill == "add_expense" else IntentLabel.UNKNOWN
    talks.say("an answer", task.message, label=IntentLabel(label), slots=slots, task=task)

    done = await exported("sft", tmp_path / "out")

    assert done.left_out == {"answer to a question: the whole call of the skill is not in the log": 1}


async def test_a_whole_wish_is_no_answer(talks: "Talks", exported: Exported, tmp_path: Path) -> None:
    slots = Slots(title="water the plants", when=AT_NINE)
    said = "remind me to water the plants tomorrow at nine"
    talks.say(said, "It is set.", label=IntentLabel.CREATE_REMINDER, slots=slots, task=reminded())

    await exported("intent", tmp_path / "out")

    assert [row["labels"] for row in rows(tmp_path / "out")] == [["create_reminder"]]


async def test_answers_to_questions_are_no_intents_unless_they_were_corrected(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    answer: dict[str, Any] = {
        "label": IntentLabel.SCHEDULE_EVENT,
        "slots": Slots(when=AT_NINE),
        "task": reminded(),
    }
    talks.say("tomorrow at nine", "It is set.", **answer)
    talks.judge(talks.say("the day after, early", "It is set.", **answer), intent="unknown")

    done = await exported("intent", tmp_path / "out")

    assert [(row["text"], row["labels"]) for row in rows(tmp_path / "out")] == [("the day after, early", ["unknown"])]
    assert done.left_out == {"answer to a question": 1}


@pytest.mark.parametrize(
    ("reply", "left_out"),
    [
        ("I'm not sure what to do with 'blue?'. I can keep reminders, and we can talk about anything.", 1),
        ("I didn't understand that. When should I remind you of 'tea'?", 1),
        ("I've done nothing about 'tea' yet; please say that again on its own.", 1),
        ("Shall I set a reminder for 'tea'?", 0),
    ],
)
async def test_that_nothing_was_understood_is_nothing_to_imitate_and_a_question_is(
    talks: "Talks", exported: Exported, tmp_path: Path, reply: str, left_out: int
) -> None:
    fixed = EngineUse(backend="fixed", model="none")
    talks.say("blue?", reply, label=IntentLabel.UNKNOWN, clarification=reply, engine=fixed)

    done = await exported("sft", tmp_path / "out")

    assert done.left_out == ({"not understood": 1} if left_out else {})


async def test_a_correction_is_imitated_and_a_dislike_is_not(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    right = talks.say("who wrote Hamlet?", "Goethe did.")
    wrong = talks.say("why is the sky blue?", "It is painted.")
    talks.judge(right, correction="Shakespeare did.")
    talks.judge(wrong, rating="down")

    done = await exported("sft", tmp_path / "out")

    assert [row["messages"][-1]["content"] for row in rows(tmp_path / "out")] == ["Shakespeare did."]
    assert done.left_out == {"disliked and not corrected": 1}


@pytest.mark.parametrize(
    ("said", "reason", "choice"),
    [
        ({"end": "failed"}, "failed", Choice(failed=True)),
        ({"end": "interrupted"}, "interrupted", Choice(interrupted=True)),
        ({"confidence": 0.3}, "low confidence", Choice(low_confidence=True)),
        (
            {"engine": EngineUse(backend="contextual", model="contextual", fallback=True, reason="gone")},
            "answered by a fallback engine",
            Choice(fallback=True),
        ),
    ],
)
async def test_what_went_wrong_is_left_out_unless_it_is_asked_for(
    talks: "Talks", exported: Exported, tmp_path: Path, said: dict[str, Any], reason: str, choice: Choice
) -> None:
    talks.say("why is the sky blue?", "Because of the air.", **said)

    done = await exported("sft", tmp_path / "out")
    assert done.left_out == {reason: 1}
    assert rows(tmp_path / "out") == []

    await exported("sft", tmp_path / "out", choice=choice)
    [row] = rows(tmp_path / "out")
    assert row["messages"][-1]["content"] == ("Well" if choice.interrupted else "Because of the air.")


async def test_a_turn_that_has_not_ended_is_never_exported(talks: "Talks", exported: Exported, tmp_path: Path) -> None:
    talks.say("why is the sky blue?", "Because.", end="open")

    done = await exported("sft", tmp_path / "out", choice=Choice(failed=True, interrupted=True, low_confidence=True))

    assert done.left_out == {"not ended": 1}


async def test_the_chosen_candidate_is_preferred_to_those_that_scored_less(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    talks.say("hi", "", candidates=("Hello. Nice day.", "Hi. Go on.", "Ho. Ho."), totals=(0.9, 0.4, 0.88), cut=(1, 2))

    done = await exported("dpo", tmp_path / "out")

    assert rows(tmp_path / "out") == [
        {"prompt": [SYSTEM, user("hi")], "chosen": [assistant("Hello")], "rejected": [assistant("Hi")]}
    ]
    assert done.left_out == {"candidates of nearly the same score": 1}


@pytest.mark.parametrize(
    ("opinion", "better", "worse"),
    [
        ({"correction": "Good day."}, "Good day.", "Hello"),
        ({"rating": "down"}, "Hi there", "Hello"),
        ({"rating": "up"}, "Hello", "Hi there"),
        ({"preferred": 1}, "Hi there", "Hello"),
        ({"reward": -0.5}, "Hi there", "Hello"),
    ],
)
async def test_what_a_person_said_goes_before_the_score(
    talks: "Talks", exported: Exported, tmp_path: Path, opinion: dict[str, Any], better: str, worse: str
) -> None:
    turn = talks.say("hi", "", candidates=("Hello", "Hi there"), totals=(0.9, 0.89))
    talks.judge(turn, **opinion)

    await exported("dpo", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert (row["chosen"], row["rejected"]) == ([assistant(better)], [assistant(worse)])


@pytest.mark.parametrize(("reward", "better"), [(0.5, "Paris."), (-1.0, "It is Paris, on the Seine.")])
async def test_two_turns_that_were_compared_make_a_pair(
    talks: "Talks", exported: Exported, tmp_path: Path, reward: float, better: str
) -> None:
    other = talks.say("What is the capital of France", "It is Paris, on the Seine.")
    turn = talks.say("what is the capital of France?", "Paris.")
    talks.judge(turn, compared_with=other, reward=reward)

    await exported("dpo", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert row["prompt"][-1] == user("what is the capital of France?")
    assert row["chosen"] == [assistant(better)]


async def test_replies_to_different_questions_are_no_pair(talks: "Talks", exported: Exported, tmp_path: Path) -> None:
    other = talks.say("what is the capital of Spain?", "It is Madrid.")
    turn = talks.say("what is the capital of France?", "Paris.")
    talks.judge(turn, compared_with=other, reward=0.5)

    done = await exported("dpo", tmp_path / "out")

    assert rows(tmp_path / "out") == []
    assert done.left_out == {"compared with the reply to other words": 1}


async def test_intents_have_all_slots_and_a_corrected_label_overrides(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    when = When(text="at nine")
    talks.say("wake me at nine", "Yes.", label=IntentLabel.CREATE_REMINDER, slots=Slots(title="wake", when=when))
    wrong = talks.say("milk is out", "Sad.", label=IntentLabel.CHIT_CHAT, confidence=0.2)
    talks.judge(wrong, intent="create_note")
    talks.say("hm maybe so", "Hm.", decided_by="fallback")

    done = await exported("intent", tmp_path / "out")

    first, second = sorted(rows(tmp_path / "out"), key=lambda row: str(row["corrected"]))
    assert (first["labels"], first["parts"], first["corrected"]) == (["create_reminder"], ["wake me at nine"], False)
    assert first["slots"] == [Slots(title="wake", when=when).model_dump(mode="json")]
    assert (second["text"], second["labels"], second["corrected"]) == ("milk is out", ["create_note"], True)
    assert second["slots"] == [Slots().model_dump(mode="json")]
    assert done.left_out == {"intent only guessed": 1}


async def test_a_corrected_intent_takes_the_place_of_the_same_words_understood_otherwise(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    talks.say("Milk is out", "Sad.", label=IntentLabel.CHIT_CHAT, conversation=conversation)
    wrong = talks.say("milk is out!", "Sad.", label=IntentLabel.CHIT_CHAT, conversation=conversation)
    talks.judge(wrong, intent="create_note")

    await exported("intent", tmp_path / "out")

    assert [row["labels"] for row in rows(tmp_path / "out")] == [["create_note"]]


async def test_a_ranking_has_the_scores_in_the_order_of_the_candidates(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    talks.say("hi", "", candidates=("Hello", "Hi there"), totals=(0.4, 0.9))
    other = talks.say("how are you today?", "", candidates=("Fine, thanks.", "I am well."), totals=(0.9, 0.4))
    talks.judge(other, preferred=1)
    talks.say("only one", "One.")

    await exported("ranking", tmp_path / "out")

    first, second = sorted(rows(tmp_path / "out"), key=lambda row: len(row["question"]))
    assert (first["scores"], first["chosen"], first["chosen_by"]) == ([0.4, 0.9], 1, "reranker")
    assert (second["chosen"], second["chosen_by"]) == (1, "person")


async def test_feedback_is_what_was_last_said(talks: "Talks", exported: Exported, tmp_path: Path) -> None:
    turn = talks.say("tell me a joke", "No.")
    talks.say("never judged at all", "Fine.")
    talks.judge(turn, rating="up", comment="ha")
    talks.judge(turn, rating="down")

    await exported("feedback", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert (row["label"], row["rating"], row["comment"]) == (False, "down", "ha")
    assert row["completion"] == [assistant("No.")]


@pytest.mark.parametrize(("answer", "selected", "label"), [("yes please", "h1", "positive"), ("no", None, "negative")])
async def test_a_question_asked_back_and_its_answer_are_a_hypothesis_in_the_seeds_shape(
    talks: "Talks", exported: Exported, tmp_path: Path, answer: str, selected: str | None, label: str
) -> None:
    from pipeline.export.catalogue import SEED_KINDS

    conversation, question = new_id(), "Do you want me to note 'milk'?"
    note = IntentLabel.CREATE_NOTE
    talks.say(
        "milk",
        question,
        conversation=conversation,
        label=note,
        decided_by="fallback",
        confidence=0.45,
        clarification=question,
        user="me",
    )
    talks.say(answer, "All right.", conversation=conversation, number=2, user="me")

    await exported("hypotheses", tmp_path / "out", seed_kinds=SEED_KINDS, seed_folder=tmp_path / "seed")

    [row] = rows(tmp_path / "out")
    assert (row["selected_id"], row["label"]) == (selected, label)
    [sample] = [json.loads(line) for line in (tmp_path / "seed" / "hypotheses_data.jsonl").read_text().splitlines()]
    assert sample == {
        "timestamp": "2026-11-20T12:00:00Z",
        "user_id": "me",
        "user_input": "milk",
        "context": {"persona_facets": {}, "recent_goals": [], "preferences": []},
        "hypotheses": [{"id": "h1", "question": question, "confidence": 0.45}],
        "selected_id": selected,
        "label": label,
    }
    assert not (tmp_path / "seed" / "persona_updates.jsonl").exists(), "nothing was learned, so no file claims it"


def which(*titles: str) -> TaskOutcome:
    """As the skill asks which reminder to cancel."""
    named = [f"'{title}' today at {hour} PM" for hour, title in enumerate(titles, start=3)]
    question = f"Which one should I cancel: {', '.join(named[:-1])} or {named[-1]}?"
    data = {
        "question": question,
        "awaits": "which",
        "candidates": [{"reminder": f"r{place}", "title": title} for place, title in enumerate(titles)],
    }
    return TaskOutcome(skill=IntentLabel.CANCEL_REMINDER, success=False, data=data, message="There are several.")


def cancelled(**data: Any) -> TaskOutcome:
    return TaskOutcome(skill=IntentLabel.CANCEL_REMINDER, success=True, data=data, message="I've cancelled it.")


async def test_what_was_meant_of_several_things_is_preferred_to_the_others(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    asked = which("milk", "tea", "milk or tea")
    reply = str(asked.data["question"])
    talks.say("cancel my reminder", reply, conversation=conversation, task=asked, clarification=reply)
    talks.say("the second", "Done.", conversation=conversation, number=2, task=cancelled(reminder="r1"))

    await exported("dpo", tmp_path / "dpo")
    await exported("hypotheses", tmp_path / "hypotheses")

    told = rows(tmp_path / "dpo")
    assert [row["prompt"] for row in told] == [[SYSTEM, user("cancel my reminder")]] * 2
    assert [row["chosen"] for row in told] == [[assistant("Shall I cancel 'tea' today at 4 PM?")]] * 2
    assert [row["rejected"][0]["content"] for row in told] == [
        "Shall I cancel 'milk' today at 3 PM?",
        "Shall I cancel 'milk or tea' today at 5 PM?",
    ]
    [sample] = rows(tmp_path / "hypotheses")
    assert (sample["selected_id"], sample["label"], len(sample["hypotheses"])) == ("h2", "positive", 3)
    assert sample["hypotheses"][1] == {
        "id": "h2",
        "question": "Shall I cancel 'tea' today at 4 PM?",
        "confidence": None,
    }


async def test_a_choice_that_was_dropped_is_a_hypothesis_with_none_selected_and_no_pair(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    talks.say("cancel my reminder", "Which?", conversation=conversation, task=which("milk", "tea"))
    talks.say("never mind", "All right.", conversation=conversation, number=2, task=cancelled(dropped=True))

    await exported("dpo", tmp_path / "dpo")
    await exported("hypotheses", tmp_path / "hypotheses")

    assert rows(tmp_path / "dpo") == []
    assert [row["selected_id"] for row in rows(tmp_path / "hypotheses")] == [None]


OFFERED = "Shall I set a reminder for 'milk'?"
GUESSED: dict[str, Any] = {"decided_by": "fallback", "confidence": 0.45}


def offered(talks: "Talks", text: str, label: IntentLabel, question: str, conversation: str, number: int = 1) -> None:
    talks.say(text, question, label=label, clarification=question, conversation=conversation, number=number, **GUESSED)


async def test_the_question_that_got_a_yes_is_preferred_to_the_one_that_got_a_no(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    offered(talks, "milk", IntentLabel.CREATE_REMINDER, OFFERED, conversation)
    talks.say("no", "All right, I won't do that.", conversation=conversation, number=2, confidence=0.2)
    offered(talks, "put down milk", IntentLabel.CREATE_NOTE, "Do you want me to note 'milk'?", conversation, 3)
    talks.say("yes", "Noted.", conversation=conversation, number=4, confidence=0.2)

    done = await exported("dpo", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert row["prompt"] == [SYSTEM, user("milk")]
    assert row["chosen"] == [assistant("Do you want me to note 'milk'?")]
    assert row["rejected"] == [assistant(OFFERED)]
    assert done.left_out == {"low confidence": 4}


@pytest.mark.parametrize(("then", "pairs"), [("note milk", 1), ("note the rent", 0)])
async def test_what_was_done_for_other_words_is_preferred_to_what_was_declined_if_it_is_the_same_matter(
    talks: "Talks", exported: Exported, tmp_path: Path, then: str, pairs: int
) -> None:
    conversation = new_id()
    noted = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, message="I've noted it.")
    offered(talks, "milk", IntentLabel.CREATE_REMINDER, OFFERED, conversation)
    talks.say("no", "All right, I won't do that.", conversation=conversation, number=2)
    talks.say(then, noted.message, conversation=conversation, number=3, task=noted)
    talks.say(f"{then} again", noted.message, conversation=conversation, number=4, task=noted)

    await exported("dpo", tmp_path / "out")

    told = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows(tmp_path / "out")]
    assert told == [("I've noted it.", OFFERED)] * pairs


async def test_other_peoples_conversations_answer_nothing(talks: "Talks", exported: Exported, tmp_path: Path) -> None:
    offered(talks, "milk", IntentLabel.CREATE_REMINDER, OFFERED, new_id())
    talks.say("yes", "Yes?", conversation=new_id())

    await exported("hypotheses", tmp_path / "out")

    assert rows(tmp_path / "out") == []


async def test_what_was_learned_of_a_person_is_a_row_with_what_moved_and_a_line_in_the_seeds_file(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    from pipeline.export.catalogue import KINDS

    first = talks.say("tell me about cats", "Cats purr.", confidence=0.3)
    later = talks.say("and about dogs?", "Dogs bark.")
    talks.say("nothing to learn from", "No.")
    talks.learn(first, facets={"concise": 0.7})
    talks.learn(later, facets={"concise": 0.62, "patient": 0.5}, reason="too brief, says anna")
    talks.learn(later, user="bob", facets={"concise": 0.1}, before={"concise": 0.2})

    seed = {"seed_kinds": (KINDS["persona"],), "seed_folder": tmp_path / "seed"}
    done = await exported("persona", tmp_path / "out", **seed)

    told = sorted(rows(tmp_path / "out"), key=lambda row: -row["facets"][0]["value"])
    assert [row["facets"] for row in told] == [
        [{"facet": "concise", "before": None, "update": None, "value": 0.7}],
        [
            {"facet": "concise", "before": 0.7, "update": -0.08, "value": 0.62},
            {"facet": "patient", "before": None, "update": None, "value": 0.5},
        ],
        [{"facet": "concise", "before": 0.2, "update": -0.1, "value": 0.1}],
    ]
    assert (told[1]["user_input"], told[1]["reply"]) == ("and about dogs?", "Dogs bark.")
    assert told[1]["reason"] == "too brief, says [NAME_1]"
    assert done.left_out == {"nothing was learned from it": 1}
    lines = (tmp_path / "seed" / "persona_updates.jsonl").read_text().splitlines()
    [sample] = [each for each in map(json.loads, lines) if "patient" in each["facets_after"]]
    assert sample == {
        "timestamp": sample["timestamp"],
        "user_id": "[NAME_1]",
        "signals": {"user_input": "and about dogs?", "success": True, "feedback": "too brief, says [NAME_1]"},
        "facets_before": {"concise": 0.7},
        "updates": {"concise": -0.08},
        "facets_after": {"concise": 0.62, "patient": 0.5},
    }


async def test_a_hypothesis_tells_how_the_person_liked_to_be_answered_at_that_time(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    talks.learn(talks.say("tell me about cats", "Cats purr."), facets={"concise": 0.7})
    await talks.written()
    conversation = new_id()
    offered(talks, "milk", IntentLabel.CREATE_REMINDER, OFFERED, conversation)
    talks.say("yes", "Done.", conversation=conversation, number=2)
    await talks.written()
    talks.learn(talks.say("tell me about dogs", "Dogs bark."), facets={"concise": 0.1})

    await exported("hypotheses", tmp_path / "out")

    [row] = rows(tmp_path / "out")
    assert row["context"]["persona_facets"] == [{"facet": "concise", "value": 0.7}]


def test_what_was_not_understood_is_told_and_asked_again_in_the_routers_words() -> None:
    from infra.state.questions import Question
    from pipeline.export.choosing import AGAIN
    from schemas.intents import Intent, IntentClassified
    from stages.router.reply import compose

    unclear = Intent(label=IntentLabel.UNKNOWN, confidence=0.9, text="blue")
    question = Question(1, datetime(2026, 11, 20, tzinfo=UTC), unclear.model_dump_json(), "when", "When?", ())

    again = compose(IntentClassified(text="blue", intents=(unclear,)), (), (), question, None)
    first = compose(IntentClassified(text="blue", intents=(unclear,)), (), (), None, None)

    assert again.clarification == f"{AGAIN} When?"
    assert not str(first.clarification).endswith("?")
