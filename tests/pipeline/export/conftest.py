"""Conversations as the log holds them, written by the log's own appender, and exports of them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.clock import new_id
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from pipeline.export import card, writing
from pipeline.export.catalogue import KINDS
from pipeline.export.exporting import Done, Order, export
from pipeline.export.reading import LogReading
from schemas.chat import Candidate, EngineUse, HistoryEntry, ReplyChosen, ReplyGenerated, ReplyRequested, Score
from schemas.event import Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, IntentLabel, Slots
from schemas.persona import PersonaUpdated
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import FeedbackRecorded, TextTurnOpened, TurnCompleted, TurnFailed, TurnInterrupted

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STREAM = StreamIdentity("PARLEY_EVENTS", NOON)
SYSTEM = "You are Parley."


@dataclass
class Talks:
    """Writes turns, whole, into a log."""

    log: EventLog
    said: list[Event[Fact]] = field(default_factory=list)
    feedback: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    learned: list[tuple[str, PersonaUpdated]] = field(default_factory=list)  # user, and what was learned
    position: int = 0  # the last message of the stream

    def say(
        self,
        text: str,
        reply: str,
        *,
        conversation: str | None = None,
        user: str = "anna",
        number: int = 1,
        label: IntentLabel = IntentLabel.CHIT_CHAT,
        slots: Slots | None = None,
        confidence: float = 0.9,
        decided_by: str = "head",
        task: TaskOutcome | None = None,
        clarification: str | None = None,
        history: tuple[tuple[str, str], ...] = (),
        candidates: tuple[str, ...] = (),
        totals: tuple[float, ...] = (),
        cut: tuple[int, ...] = (),
        engine: EngineUse | None = None,
        end: str = "completed",
        run: str = "live",
    ) -> str:
        """One turn; its id. `candidates` with `totals` come from the reranker, the best of them being the reply."""
        turn = new_id()
        meta = Meta(
            id=f"{turn}-opened",
            type="TextTurnOpened",
            conversation=conversation or new_id(),
            turn=turn,
            run=run,
            number=number,
            user=user,
            stage="keeper",
            time=NOON + timedelta(seconds=self.position + len(self.said)),
        )
        intent = Intent.model_validate(
            {
                "label": label,
                "confidence": confidence,
                "text": text,
                "decided_by": decided_by,
                "slots": slots or Slots(),
            }
        )
        texts = candidates or (reply,)
        made = tuple(
            Candidate(
                text=each.split(". ")[0] if place in cut else each,
                sentences=tuple(each.split(". "))[:1] if place in cut else tuple(each.split(". ")),
                finish="cut" if place in cut else "stop",
            )
            for place, each in enumerate(texts)
        )
        scores = tuple(
            Score(candidate=place, total=total, relevance=total, repetition=1, length=1, sound=1)
            for place, total in sorted(enumerate(totals), key=lambda one: -one[1])
        )
        chosen = scores[0].candidate if scores else 0
        told = tuple(HistoryEntry(user=asked, reply=answer, time=NOON) for asked, answer in history)
        facts: list[tuple[str, Fact]] = [
            ("intent", IntentClassified(text=text, intents=(intent,))),
            *([("router", TaskCompleted(intent=0, outcome=task))] if task else []),
            (
                "router",
                ReplyRequested(
                    text=text,
                    talk=() if task or clarification else (text,),
                    tasks=(task,) if task else (),
                    clarification=clarification,
                    history=told,
                ),
            ),
            (
                "chat",
                ReplyGenerated(
                    asked=text, candidates=made, engine=engine or EngineUse(backend="llama.cpp", model="smollm2")
                ),
            ),
            ("reranker", ReplyChosen(asked=text, chosen=chosen, text=made[chosen].text, sentences=1, scores=scores)),
        ]
        match end:
            case "completed":
                facts.append(("keeper", TurnCompleted(reply=reply, sentences=1)))
            case "failed":
                facts.append(("keeper", TurnFailed(code="deadline", message="The time was up.")))
            case "interrupted":
                facts.append(("keeper", TurnInterrupted(reason="stopped", spoken="Well")))
        events = [Event[Fact].first(TextTurnOpened(text=text), meta)]
        for stage, fact in facts:
            events.append(events[-1].following(stage, 0, fact, events[-1].meta.time + timedelta(milliseconds=9)))
        self.said += events
        return turn

    def judge(self, about: str, *, at: datetime = NOON + timedelta(hours=1), **opinion: Any) -> None:
        """What somebody thought; fields of a later minor version too."""
        self.feedback.append((at, {"about": about, **opinion}))

    def learn(self, about: str, user: str = "anna", **fact: Any) -> None:
        """What was learned of the user from a turn."""
        self.learned.append((user, PersonaUpdated(about=about, **fact)))

    async def written(self) -> None:
        """Put what is not there yet into the log."""
        rows = [self._row(self.position + place, event) for place, event in enumerate(self.said, start=1)]
        for time, opinion in self.feedback:
            turn = new_id()
            meta = Meta(
                id=f"{turn}-feedback",
                type="FeedbackRecorded",
                conversation=new_id(),
                turn=turn,
                user="anna",
                stage="keeper",
                time=time,
            )
            row = self._row(
                self.position + len(rows) + 1, Event[Fact].first(FeedbackRecorded(about=opinion["about"]), meta)
            )
            payload = json.dumps({"meta": meta.model_dump(mode="json"), "fact": opinion}).encode()
            rows.append(Row(row.stream_seq, row.subject, row.headers, payload))
        for user, update in self.learned:
            turn = new_id()
            meta = Meta(
                id=f"{turn}-learned",
                type="PersonaUpdated",
                conversation=new_id(),
                turn=turn,
                user=user,
                stage="keeper",
                time=NOON + timedelta(seconds=self.position + len(rows)),
            )
            rows.append(self._row(self.position + len(rows) + 1, Event[Fact].first(update, meta)))
        if rows:
            await self.log.append(Batch(STREAM, tuple(rows)))
        self.position += len(rows)
        self.said, self.feedback, self.learned = [], [], []

    @staticmethod
    def _row(seq: int, event: Event[Fact]) -> Row:
        return Row(seq, event.subject, {"ce-type": event.meta.type, "ce-source": event.meta.stage}, event.encoded())


@pytest.fixture
async def talks(tmp_path: Path) -> AsyncIterator[Talks]:
    async with await open_log(tmp_path / "log.duckdb") as log:
        yield Talks(log)


Exported = Callable[..., Awaitable[Done]]


@pytest.fixture
def exported(talks: Talks) -> Exported:
    """Exports the log that was written: `await exported("sft", folder, mask=False)`."""

    async def run(kind: str, out: Path, **order: Any) -> Done:
        await talks.written()
        made = Order(KINDS[kind], out, **order)
        log = await LogReading.opened(talks.log.ask)
        await log.refuse_unless_there("--run", made.wanted.run)
        done = await export(made, log, lambda _: SYSTEM)
        told = card.card(made, done, 0)
        writing.write_text(out, writing.CARD, card.as_json(told))
        writing.write_text(out, writing.README, card.readme(told))
        return done

    return run
