"""An export as a whole: the same bytes each time, no leak between the splits, formats that trainers document."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from infra.bus.errors import BusUnavailable
from infra.clock import new_id
from infra.event_log.port import Parameter, QueryRefused, Table
from pipeline.cli import export as command
from pipeline.export import writing
from pipeline.export.catalogue import KINDS
from pipeline.export.exporting import Order, stats
from pipeline.export.reading import RUNS_NAMED, LogReading, Wanted
from pipeline.export.splitting import split_of
from schemas.errors import InvalidField
from schemas.intents import IntentLabel, Slots
from schemas.tasks import TaskOutcome
from tests.pipeline.export.conftest import NOON
from tests.pipeline.export.formats import wrong_with

if TYPE_CHECKING:
    from pipeline.export.exporting import Done
    from tests.pipeline.export.conftest import Talks

Exported = Callable[..., Awaitable["Done"]]
TURNS = 60


@pytest.fixture
def many(talks: "Talks") -> "Talks":
    """Sixty turns of twenty conversations that have something for each kind."""
    for number in range(TURNS // 3):
        conversation = new_id()
        told: dict[str, Any] = {"conversation": conversation, "user": f"user{number % 3}"}
        first, second = f"It is fact {number * 7919}. Ask on.", f"Nobody knows number {number * 104729}."
        asked = f"what about the number {number * 15485863} of all numbers?"
        talks.say(asked, "", candidates=(first, second), totals=(0.9, 0.5), **told)
        outcome = TaskOutcome(skill=IntentLabel.ADD_FRIEND, success=True, message=f"I've added Zoe{number} to them.")
        friend: dict[str, Any] = {
            "label": IntentLabel.ADD_FRIEND,
            "slots": Slots(person=f"Zoe{number}"),
            "task": outcome,
        }
        talks.say(f"add Zoe{number} with zoe{number}@example.org", outcome.message, number=2, **told, **friend)
        last = talks.say(f"{number} thanks, bye", f"Bye number {number}!", number=3, **told)
        talks.judge(last, rating="up" if number % 2 else "down")
    return talks


@pytest.mark.parametrize("kind", ["sft", "dpo", "intent", "ranking", "feedback"])
async def test_the_same_log_gives_the_same_bytes(many: "Talks", exported: Exported, tmp_path: Path, kind: str) -> None:
    done = await exported(kind, tmp_path / "one", format="both")
    await exported(kind, tmp_path / "two", format="both")

    assert sum(done.rows.values()) > 5
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert set(files(tmp_path / "one")) == set(writing.names())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def test_days_in_the_archive_are_exported_as_they_were(many: "Talks", exported: Exported, tmp_path: Path) -> None:
    await exported("sft", tmp_path / "one")
    now = datetime.now(UTC) + timedelta(days=1)

    moved = await many.log.archiving.archive_piece(now.date(), now)

    await exported("sft", tmp_path / "two")
    assert moved is not None
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize("kind", ["sft", "dpo", "intent", "ranking", "feedback"])
async def test_rows_are_as_trainers_document_them_and_parquet_says_the_same(
    many: "Talks", exported: Exported, tmp_path: Path, kind: str
) -> None:
    await exported(kind, tmp_path / "out", format="both")

    for split in ("train", "test"):
        lines = (tmp_path / "out" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert [found for row in rows for found in wrong_with(kind, row)] == []
        with duckdb.connect() as connection:
            table = connection.execute(f"FROM '{tmp_path / 'out' / f'{split}.parquet'}'")
            names = [column[0] for column in table.description or []]
            told = [dict(zip(names, values, strict=True)) for values in table.fetchall()]
        assert names == list(KINDS[kind].columns)
        assert [_without_nulls(row) for row in told] == [_without_nulls(_as_in_parquet(row)) for row in rows]


async def test_no_conversation_is_in_both_splits_and_the_sources_tell_where_rows_come_from(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    done = await exported("sft", tmp_path / "out")

    origins: dict[str, set[str]] = {}
    for split in ("train", "test"):
        lines = (tmp_path / "out" / "sources" / f"{split}.jsonl").read_text().splitlines()
        assert len(lines) == done.rows[split]
        origins[split] = {json.loads(line)["conversation"] for line in lines}
        assert {split_of(each) for each in origins[split]} <= {split}
    assert not origins["train"] & origins["test"]


async def test_what_is_added_to_the_log_moves_nothing_that_was_there(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    await exported("intent", tmp_path / "before")
    for number in range(20):
        many.say(f"something quite new, the {number * 7919} of it, was never heard of", "Well.")

    await exported("intent", tmp_path / "after")

    for split in ("train", "test"):
        before, after = ((tmp_path / each / f"{split}.jsonl").read_bytes() for each in ("before", "after"))
        assert after.startswith(before)
    assert len((tmp_path / "after" / "train.jsonl").read_bytes()) > len(
        (tmp_path / "before" / "train.jsonl").read_bytes()
    )


async def test_personal_data_is_masked_and_counted_unless_it_is_wanted(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    masked = await exported("sft", tmp_path / "masked")
    await exported("sft", tmp_path / "open", mask=False)

    def text(folder: str) -> str:
        return "".join((tmp_path / folder / f"{split}.jsonl").read_text() for split in ("train", "test"))

    assert "example.org" in text("open")
    assert "Zoe" in text("open")
    assert "example.org" not in text("masked")
    assert "Zoe" not in text("masked")
    assert masked.masked["EMAIL"] >= 1
    for name in ("README.md", "card.json"):
        assert "Zoe" not in (tmp_path / "masked" / name).read_text()


@pytest.mark.parametrize("kind", ["sft", "dpo", "feedback"])
async def test_a_name_is_masked_in_a_correction_like_in_the_words_that_told_it(
    talks: "Talks", exported: Exported, tmp_path: Path, kind: str
) -> None:
    turn = talks.say("Remind me to call Edda", "Whom shall you call?")
    talks.judge(turn, correction="Shall I remind you that Edda waits?")

    done = await exported(kind, tmp_path / "out", seed_kinds=(KINDS["feedback"],))

    assert sum(done.rows.values()) == 1
    told = b"".join(text for name, text in files(tmp_path / "out").items() if name.endswith(".jsonl")).decode()
    assert "Edda" not in told
    assert "[NAME_1] waits" in told
    await exported(kind, tmp_path / "again", seed_kinds=(KINDS["feedback"],))
    assert files(tmp_path / "again") == files(tmp_path / "out")


async def test_names_from_all_of_a_conversation_are_masked_in_what_was_learned_and_in_later_turns(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    talks.say("My name is Wilhelmina Oberst", "Hello!", conversation=conversation)
    talks.say("tell me a joke", "No, Wilhelmina.", conversation=conversation, number=2)
    last = talks.say("please write to Ines", "To whom?", conversation=conversation, number=3)
    talks.judge(last, comment="she is called Berta: tell Berta Klein")
    talks.learn(last, facets={"concise": 0.5}, reason="Wilhelmina Oberst likes Ines, and Klein too")
    talks.say("who am I?", "You are Wilhelmina, not Ines.")

    wanted = Wanted(since=NOON + timedelta(seconds=2))
    await exported("persona", tmp_path / "persona", seed_kinds=(KINDS["persona"],), wanted=wanted)
    await exported("sft", tmp_path / "sft", wanted=wanted)

    persona, sft = (
        b"".join(text for name, text in files(tmp_path / folder).items() if name.endswith(".jsonl")).decode()
        for folder in ("persona", "sft")
    )
    assert (tmp_path / "persona" / "persona_updates.jsonl").is_file()
    assert not any(name in persona for name in ("Wilhelmina", "Oberst", "Ines", "Klein"))
    assert "Wilhelmina" not in sft
    assert "not Ines" in sft, "in another conversation it may be anything"


async def test_the_card_tells_the_counts_the_hashes_and_the_command(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = many.said[0].meta.conversation
    done = await exported("dpo", tmp_path / "out", wanted=Wanted(conversation=conversation))

    told = json.loads((tmp_path / "out" / "card.json").read_text())
    assert told["rows"] == done.rows
    assert told["query"]["command"] == f"parley export dpo --out DIR --conversation {conversation}"
    assert told["turns_read"] == 3
    for file in told["files"]:
        assert hashlib.sha256((tmp_path / "out" / file["name"]).read_bytes()).hexdigest() == file["sha256"]


async def test_a_run_is_exported_by_its_name_and_leaves_the_live_one_as_it_is(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    conversation = new_id()
    talks.say("why is the sky blue?", "It is painted.", conversation=conversation)
    talks.say("why is the sky blue?", "Because of the air.", conversation=conversation, run="replay-1")

    live = await exported("sft", tmp_path / "live")
    replay = await exported("sft", tmp_path / "replay", wanted=Wanted(run="replay-1"))

    def said(folder: str) -> str:
        return "".join((tmp_path / folder / f"{split}.jsonl").read_text() for split in ("train", "test"))

    assert (live.turns, replay.turns) == (1, 1)
    assert "painted" in said("live") and "the air" not in said("live")
    assert "the air" in said("replay") and "painted" not in said("replay")
    assert [split for split, rows in live.rows.items() if rows] == [
        split for split, rows in replay.rows.items() if rows
    ], "what a model was tested on in one run it was not trained on in another"
    card = json.loads((tmp_path / "replay" / "card.json").read_text())
    assert card["query"]["command"] == "parley export sft --out DIR --run replay-1"


async def test_a_run_that_is_not_in_the_log_is_refused_with_those_that_are(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    talks.say("hello", "Hi!", run="replay-1")

    with pytest.raises(
        InvalidField, match="--run: 'replay-2' is not allowed; expected a run in the log: live, replay-1"
    ):
        await exported("sft", tmp_path / "out", wanted=Wanted(run="replay-2"))


async def test_a_run_is_found_among_any_number_and_only_the_newest_are_named(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    for number in range(120):
        talks.say("hello", "Hi!", run=f"replay-{number:03}")

    for run in ("replay-000", "replay-119"):
        assert (await exported("sft", tmp_path / run, wanted=Wanted(run=run))).turns == 1
    with pytest.raises(InvalidField, match=r"expected a run in the log: live, replay-119, replay-118, .*, …\Z") as none:
        await exported("sft", tmp_path / "none", wanted=Wanted(run="replay-120"))
    assert none.value.expected.count("replay-") == RUNS_NAMED


async def test_pages_that_do_not_fit_are_asked_for_in_halves(many: "Talks", exported: Exported, tmp_path: Path) -> None:
    whole = await exported("sft", tmp_path / "out")
    asked: list[int] = []

    async def narrow(sql: str, parameters: Any = None) -> Table:
        table = await many.log.ask(sql, parameters)
        if "BETWEEN $low" in sql:
            asked.append(len(table.rows))
            if len(table.rows) > 20:
                raise QueryRefused(sql, "less")
        return table

    log = await LogReading.opened(narrow)
    turns = [turn.id async for turn in log.turns(Wanted(), {})]

    assert len(turns) == TURNS == whole.turns
    assert turns == sorted(turns)
    assert max(asked) > 20


async def test_a_single_turn_that_does_not_fit_is_told(many: "Talks", exported: Exported, tmp_path: Path) -> None:
    await exported("sft", tmp_path / "out")

    async def refusing(sql: str, parameters: dict[str, Parameter] | None = None) -> Table:
        if "BETWEEN $low" in sql:
            raise QueryRefused(sql, "less")
        return await many.log.ask(sql, parameters)

    log = await LogReading.opened(refusing)  # type: ignore[arg-type]  # it only raises
    with pytest.raises(QueryRefused):
        [turn async for turn in log.turns(Wanted(), {})]


async def test_stats_count_what_an_export_would_have_before_duplicates(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    done = await exported("feedback", tmp_path / "out")
    counts = await stats(await LogReading.opened(many.log.ask), Wanted(), KINDS)

    assert counts["turns"] == TURNS
    assert counts["feedback"] == sum(done.rows.values()) + done.without.exact + done.without.near == TURNS // 3
    assert counts["ranking"] == TURNS // 3


async def test_an_export_that_was_cut_off_can_be_made_again(many: "Talks", exported: Exported, tmp_path: Path) -> None:
    writing.prepare(tmp_path / "out", "sft")
    (tmp_path / "out" / "train.jsonl").write_text("half a li")

    done = await exported("sft", tmp_path / "out")

    lines = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == done.rows["train"]
    assert "unfinished" not in json.loads((tmp_path / "out" / "card.json").read_text())


@pytest.mark.parametrize("failing", ["PersonaUpdated", "BETWEEN $low"])
async def test_an_export_that_cannot_be_read_leaves_the_earlier_one_as_it_was(
    many: "Talks", exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    await exported("sft", tmp_path / "out", format="both")
    before = files(tmp_path / "out")

    async def breaks(sql: str, parameters: Any = None) -> Table:
        if failing in sql or failing in (parameters or {}).values():
            raise BusUnavailable("the logger went away")
        return await many.log.ask(sql, parameters)

    @asynccontextmanager
    async def reached() -> AsyncIterator[Any]:
        yield breaks

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "asking", reached)
    with pytest.raises(BusUnavailable):
        await command._export(Order(KINDS["sft"], tmp_path / "out"))

    assert files(tmp_path / "out") == before


async def test_feedback_that_does_not_fit_is_read_in_smaller_pages(
    many: "Talks", exported: Exported, tmp_path: Path
) -> None:
    await exported("feedback", tmp_path / "out")

    async def narrow(sql: str, parameters: Any = None) -> Table:
        return await many_at_once(many, 7, sql, parameters)

    assert len(await (await LogReading.opened(narrow)).feedback()) == TURNS // 3


async def test_of_opinions_that_were_recorded_in_another_order_the_last_one_said_counts(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    turns = [talks.say(f"question {number}", "Well.") for number in range(9)]
    for later in (5, 3, 4):  # minutes: the log was told of the last one first
        for turn in turns:
            talks.judge(turn, rating="up" if later == 5 else "down", at=NOON + timedelta(minutes=later))
    for turn in turns:  # two at once count as they were recorded
        talks.judge(turn, comment="first", at=NOON)
        talks.judge(turn, comment="second", at=NOON)
    await exported("feedback", tmp_path / "out")

    async def narrow(sql: str, parameters: Any = None) -> Table:
        return await many_at_once(talks, 2, sql, parameters)

    for ask in (talks.log.ask, narrow):
        found = await (await LogReading.opened(ask)).feedback()
        assert {turn: (each.rating, each.comment) for turn, each in found.items()} == dict.fromkeys(
            turns, ("up", "second")
        )


async def test_names_are_those_of_the_log_as_it_was_and_come_in_pages_that_fit(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    def befriend(name: str) -> None:
        outcome = TaskOutcome(
            skill=IntentLabel.ADD_FRIEND, success=True, message="Done.", data={"person": f"{name} Doe"}
        )
        talks.say("add them", "Done.", user=f"{name}-user", slots=Slots(person=name), task=outcome)

    for name in ("Anna", "Bert", "Cleo"):
        befriend(name)
    await exported("sft", tmp_path / "out")

    async def narrow(sql: str, parameters: Any = None) -> Table:
        return await many_at_once(talks, 2, sql, parameters)

    logs = [await LogReading.opened(ask) for ask in (talks.log.ask, narrow)]
    befriend("Later")
    await talks.written()

    known = sorted(f"{name}{more}" for name in ("Anna", "Bert", "Cleo") for more in ("", " Doe", "-user"))
    assert [await log.names() for log in logs] == [known, known]


async def many_at_once(talks: "Talks", most: int, sql: str, parameters: Any) -> Table:
    """What the log answers unless more rows than this are asked for at once."""
    if (parameters or {}).get("limit", 0) > most:
        raise QueryRefused(sql, "less")
    return await talks.log.ask(sql, parameters)


@pytest.mark.parametrize("found", ["notes.txt", "card.json"])
async def test_a_folder_with_anything_else_in_it_is_refused_and_left_as_it_is(tmp_path: Path, found: str) -> None:
    (tmp_path / found).write_text('{"kind": "dpo"}')

    with pytest.raises(InvalidField, match="--out"):
        writing.prepare(tmp_path, "sft")

    assert (tmp_path / found).read_text() == '{"kind": "dpo"}'


def _as_in_parquet(row: dict[str, Any]) -> dict[str, Any]:
    """Arguments of tool calls are JSON text there."""
    for message in row.get("messages", ()):
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"], separators=(",", ":"))
    return row


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


async def test_what_tells_names_comes_whole_however_little_fits_into_an_answer(
    talks: "Talks", exported: Exported, tmp_path: Path
) -> None:
    for number in range(9):
        talks.say(f"call Edda {number}", "Well.")
        talks.judge(talks.say("nothing", "Yes."), comment="ask Klara")
    await exported("sft", tmp_path / "out")
    asked: list[int] = []

    async def narrow(sql: str, parameters: Any = None) -> Table:
        table = await talks.log.ask(sql, parameters)
        asked.append(len(table.rows))
        if len(table.rows) > 3:
            raise QueryRefused(sql, "less")
        return table

    logs = [await LogReading.opened(ask) for ask in (talks.log.ask, narrow)]
    whole, parts = [[one async for one in log.telling("live", None)] for log in logs]

    assert len(whole) == 9 * 4, "what was said stands in three events of a turn, and one opinion of another"
    assert parts == whole
    assert max(asked) > 3
