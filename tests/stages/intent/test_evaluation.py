"""Measuring: what is read, what is counted, what is refused."""

from pathlib import Path

import pytest

from schemas.errors import InvalidField
from schemas.intents import IntentLabel
from stages.intent import IntentGiven
from stages.intent.evaluation import Outcome, Report, Utterance, evaluate, read_utterances

NOTE, CHAT, REMINDER = IntentLabel.CREATE_NOTE, IntentLabel.CHIT_CHAT, IntentLabel.CREATE_REMINDER


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"text": "hello", "intents": ["chit_chat"]}\n\n{"text": "x", "intent": "create_note"}\n')
    table = tmp_path / "a.csv"
    table.write_text("text,label\nhello,chit_chat\nx,create_note\n")
    assert read_utterances(lines) == read_utterances(table)


def test_a_csv_line_may_have_several_labels(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("text,intents\nboth,create_note+chit_chat\n")
    assert read_utterances(table)[0].labels == (NOTE, CHAT)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("not json", "a.jsonl:1"),
        ('{"text": "x"}', "a.jsonl:1.intents"),
        ('{"text": "x", "intents": ["dance"]}', "a.jsonl:1.intents"),
        ('\n{"intents": ["chit_chat"]}', "a.jsonl:2.text"),
        ("", "file"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str, field: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(InvalidField) as refused:
        read_utterances(path)
    assert refused.value.field == field


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"none\.jsonl"):
        read_utterances(tmp_path / "none.jsonl")


def outcome(labels: tuple[IntentLabel, ...], found: tuple[IntentLabel, ...]) -> Outcome:
    return Outcome(Utterance("x", labels), found, ("head",) * len(found), 0.01)


def test_only_exact_sequences_count_as_right() -> None:
    report = Report(
        (
            outcome((NOTE,), (NOTE,)),
            outcome((NOTE,), (CHAT,)),
            outcome((NOTE,), (NOTE, CHAT)),
            outcome((NOTE, CHAT), (NOTE, CHAT)),
            outcome((NOTE, CHAT), (CHAT, NOTE)),
        )
    )
    assert report.accuracy() == (2, 5)
    assert report.accuracy(several=False) == (1, 3)
    assert report.accuracy(several=True) == (1, 2)
    assert report.confusion() == {
        ("create_note", "create_note"): 1,
        ("create_note", "chit_chat"): 1,
        ("create_note", "(several)"): 1,
    }
    assert "several intents" in report.as_text()


async def test_utterances_are_measured_with_the_real_head(given: IntentGiven) -> None:
    wanted = [Utterance("remind me to call ann at six", (REMINDER,)), Utterance("tell me a joke", (CHAT,))]
    report = await evaluate(wanted, given)
    assert report.accuracy() == (2, 2)
    assert all(o.took_s > 0 for o in report.outcomes)
