"""A past as the log holds it: what was wanted is made up, what was done about it is the router's own doing."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.clock import SetClock, new_id
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Parameter, Row, StreamIdentity, Table, TakenIn
from infra.settings import Settings, load
from infra.state import history, reminders
from infra.state.scope import scope_of
from infra.state.sqlite import SqliteState, open_in_memory
from pipeline.logging_stage import take_lines_in
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, ReplyRequested, SentenceChosen
from schemas.event import Event, Fact, Meta
from schemas.history import HistoryForgetGiven, HistoryForgotten
from schemas.intents import Intent, IntentClassified, IntentLabel, Slots, When
from schemas.tasks import ReminderDue
from schemas.turns import TextTurnOpened, TurnCompleted, TurnFailed, TurnInterrupted
from stages.router.stage import RouterGiven, route

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
STREAM = StreamIdentity("PARLEY_EVENTS", NOON)


def wants(
    label: IntentLabel, text: str, *, confidence: float = 0.95, at: datetime | None = None, **slots: Any
) -> Intent:
    """One intent, with the moment that its words named."""
    when = When(text="then", at=at) if at is not None else None
    return Intent(label=label, confidence=confidence, text=text, slots=Slots(**slots, when=when))


@dataclass
class Past:
    """Turns that were had, one after the other, a minute apart."""

    log: EventLog
    state: SqliteState
    clock: SetClock
    at: datetime = NOON
    said: list[Event[Fact]] = field(default_factory=list)
    written: int = 0
    numbers: dict[str, int] = field(default_factory=dict)

    async def turn(
        self, text: str, *intents: Intent, user: str = "anna", conversation: str | None = None, reply: str | None = None
    ) -> Event[Fact]:
        """One turn; its beginning. Its reply is what the router did, or asks back, or else `reply`."""
        turn, conversation = new_id(), conversation or new_id()
        self.at += timedelta(minutes=1)
        self.numbers[conversation] = self.numbers.get(conversation, 0) + 1
        meta = Meta(
            id=f"{turn}-opened",
            type="TextTurnOpened",
            conversation=conversation,
            turn=turn,
            number=self.numbers[conversation],
            user=user,
            stage="keeper",
            time=self.at,
            deadline=self.at + timedelta(minutes=1),
            time_zone="Europe/Berlin",
            speech=False,
        )
        opened = Event[Fact].first(TextTurnOpened(text=text), meta)
        self.said.append(opened)
        classified = self._say(opened, "intent", IntentClassified(text=text, intents=intents))
        requested = await self._routed(classified)
        asked = requested.fact
        assert isinstance(asked, ReplyRequested)
        words = " ".join([*(task.message for task in asked.tasks), *filter(None, [asked.clarification])])
        answer = reply or words or "All right."
        candidate = Candidate(text=answer, sentences=(answer,))
        engine = EngineUse(backend="contextual", model="rules")
        self._say(requested, "chat", ReplyGenerated(asked=text, candidates=(candidate,), engine=engine))
        self._say(requested, "reranker", SentenceChosen(index=0, text=answer, last=True))
        self._say(requested, "reranker", ReplyChosen(asked=text, chosen=0, text=answer, sentences=1), index=1)
        self._say(opened, "keeper", TurnCompleted(reply=answer, sentences=1))
        async with self.state.transaction() as tx:
            await history.record(tx, meta, text, answer, self.at)
        return opened

    def interrupted(self, opened: Event[Fact]) -> None:
        """Somebody stopped the turn before anything of it was heard."""
        self._say(opened, "keeper", TurnInterrupted(reason="stopped"))

    def failed(self, opened: Event[Fact]) -> None:
        """The turn's time was up."""
        self._say(opened, "keeper", TurnFailed(code="deadline", message="Sorry."))

    async def forgets(self, opened: Event[Fact]) -> None:
        """The person of this turn wants all that was said forgotten."""
        async with self.state.transaction() as tx:
            gone = await history.forget(tx, scope_of(opened.meta))
        turn = new_id()
        elsewhere = opened.meta.model_copy(update={"id": turn, "turn": turn, "conversation": new_id()})
        self._say(Event[Fact].first(HistoryForgetGiven(), elsewhere), "keeper", HistoryForgotten(turns=gone))

    async def reminders_fall_due(self, at: datetime) -> None:
        """Time passes; what is due is announced."""
        self.at = self.clock.at = at
        async with self.state.transaction() as tx:
            due = await reminders.claim_due(tx, "live", at, 10)
        for each in due:
            fact = ReminderDue(reminder=each.id, title=each.title, due_at=each.due_at, message="It is time.")
            about = next(event for event in self.said if event.meta.turn == each.turn)
            self._say(about, "router", fact, index=9)

    async def write(self) -> None:
        """Put what is not there yet into the log."""
        rows = tuple(
            Row(place, event.subject, {"ce-type": event.meta.type, "Parley-Hop": "1 2 1"}, event.encoded())
            for place, event in enumerate(self.said, start=1)
        )
        await self.log.append(Batch(STREAM, rows[self.written :]))
        self.written = len(rows)

    async def ask(self, sql: str, parameters: Mapping[str, Parameter]) -> Table:
        return await self.log.ask(sql, parameters)

    async def take_in(self, payload: bytes) -> TakenIn:
        return await take_lines_in(self.log, payload)

    async def _routed(self, classified: Event[Fact]) -> Event[Fact]:
        self.clock.at = classified.meta.time
        async for said in route(classified, RouterGiven(self.state, currency="EUR"), ()):  # type: ignore[arg-type]  # an IntentClassified
            assert isinstance(said, Event)
            self.said.append(said)
        return self.said[-1]

    def _say(self, cause: Event[Fact], stage: str, fact: Fact, index: int = 0) -> Event[Fact]:
        self.at += timedelta(milliseconds=20)
        self.said.append(cause.following(stage, index, fact, self.at))
        return self.said[-1]


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[Past]:
    """An empty log, and nobody has said anything yet."""
    clock = SetClock(NOON)
    async with await open_log(tmp_path / "log.duckdb") as log, open_in_memory(clock) as state:
        yield Past(log, state, clock)


@pytest.fixture
def minimal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings without an engine: replies come from rules."""
    monkeypatch.chdir(tmp_path)
    return load(
        environment={"MINIMAL_MODE": "true", "PARLEY_CURRENCY": "EUR", "PARLEY_DATA_DIR": str(tmp_path / "data")}
    )
