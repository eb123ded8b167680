"""The turn keeper: gives each accepted turn its number and deadline, opens it in its order, and ends it exactly once.

Only here is the order of a conversation enforced, and only here does a turn end. Each message is one transaction whose
events go through the outbox, so a keeper may be killed at any point and another carries on. Knows no stage's work.
"""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from infra.clock import Clock, made_at
from infra.state import history, inbox, outbox, questions, turns
from infra.state.port import State
from infra.state.scope import scope_of
from infra.state.turns import Sentence, Turn
from pipeline.books import Books, Words
from pipeline.turn_ends import failed
from pipeline.turn_limits import refusal_of
from schemas import chat, intake, persona, speech
from schemas import history as forgetting
from schemas import turns as said
from schemas.catalogue import decode
from schemas.errors import InvalidField
from schemas.event import Event, Fact, Meta
from schemas.ids import TurnId
from schemas.tasks import TaskCompleted

NAME: Final = "keeper"
TURN_TIMEOUT = timedelta(seconds=60)  # from opening to end
APOLOGY_WITHIN = timedelta(seconds=15)  # after the turn's end; who comes later has read it, or asked again
STOPPED_AHEAD = timedelta(hours=1)  # a turn that old, and not in the books, does not wait to be taken in
SWEEP_BATCH = 100

HEARS: Final = (chat.ReplyChosen, speech.SpeechReady, said.StageFailed)
LOOKS_UP: Final = (*HEARS, chat.SentenceChosen)
"""Of a turn that is about to be interrupted. Chosen sentences matter then only, and each note is a write of its own."""
SAYS: Final = (
    said.TextTurnOpened,
    said.SpeechTurnOpened,
    said.TurnCompleted,
    said.TurnFailed,
    said.TurnInterrupted,
    said.ReplyCutShort,
    said.ApologyRequested,
    said.FeedbackRecorded,
    persona.PersonaUpdated,
    forgetting.HistoryForgotten,
)
_NEWER: Final = "interrupted by a newer turn"
_OPENED, _ENDED, _APOLOGY = 0, 1, 2  # the index of what the keeper says because of a submission


class Keeper:
    """Rules over the books in the state. `handle` and `sweep` write events to the outbox; publishing is not its job."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        *,
        turn_timeout: timedelta = TURN_TIMEOUT,
        turns_per_minute: int | None = None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._turn_timeout = turn_timeout
        self._turns_per_minute = turns_per_minute  # of one user; None: as many as come

    async def handle(self, event: Event[Any]) -> Words:
        """Take in one event; what is to be said because of it. A repetition changes nothing and says nothing.

        Raises InvalidField for feedback, or what was learned, from a turn that is known to be somebody else's.
        """
        async with self._books() as tx:
            match event.fact:
                case intake.TextSubmitted() | intake.AudioSubmitted():
                    await self._accept(tx, event)
                case intake.InterruptRequested() as request:
                    await self._stop_on_request(tx, event, request)
                case intake.FeedbackGiven() as given:
                    await self._refuse_others(tx, event.meta, given.about, "fact.about")
                    await self._refuse_others(tx, event.meta, given.compared_with, "fact.compared_with")
                    await self._say(tx, event, _OPENED, said.FeedbackRecorded(**given.model_dump()))
                case persona.PersonaGiven() as given:
                    await self._refuse_others(tx, event.meta, given.about, "fact.about")
                    await self._say(tx, event, _OPENED, persona.PersonaUpdated(**given.model_dump()))
                case forgetting.HistoryForgetGiven() as given:
                    await self._forget(tx, event, given)
                case _:
                    await self._note(tx, event)
        return tx.words

    async def about_to_stop(self, event: Event[Any]) -> Meta | None:
        """The open turn that this event is going to interrupt; None when it interrupts none."""
        async with self._state.transaction() as tx:
            match event.fact:
                case intake.InterruptRequested():
                    turn = await turns.find(tx, event.meta)
                case intake.Submission(interrupts=True):
                    turn = await turns.opened(tx, event.meta)
                case _:
                    return None
        return _submission(turn).meta if turn is not None and turn.status == "open" else None

    async def catch_up(self, told: Sequence[Event[Any]]) -> Words:
        """Note what stages have told of a turn, before its notes arrive: what was spoken until now shall count."""
        async with self._books() as tx:
            for event in told:
                if isinstance(event.fact, LOOKS_UP):
                    await self._note(tx, event)
        return tx.words

    async def refuse(self, meta: Meta, failure: said.StageFailed) -> Words:
        """End a turn whose submission cannot be accepted; `meta` is what is known of it, if only by its subject."""
        fact = intake.InterruptRequested(reason="its submission was refused")
        stand_in: Event[Any] = Event.first(fact, meta.model_copy(update={"type": type(fact).__name__}))
        async with self._books() as tx:
            if await turns.find(tx, meta) is None:
                await turns.insert(tx, stand_in, "waiting", self._clock.now())
                await turns.refuse(tx, meta)
                await self._fail(tx, stand_in, failure.code, failure)
        return tx.words

    async def overdue(self) -> list[Meta]:
        """The open turns whose time is up, as far as one sweep ends them."""
        async with self._state.transaction() as tx:
            return [_submission(turn).meta for turn in await turns.overdue(tx, self._clock.now(), SWEEP_BATCH)]

    async def sweep(self, got_to: Mapping[TurnId, str] = MappingProxyType({})) -> Words:
        """End open turns whose time is up; no deadline lies further ahead than a turn may take, whatever clocks do.

        `got_to`: how far each had come, for whoever wants to know why it took so long.
        """
        now = self._clock.now()
        async with self._books() as tx:
            await turns.shorten(tx, now + self._turn_timeout)
            for turn in await turns.overdue(tx, now, SWEEP_BATCH):
                submission = _submission(turn)
                await self._fail(tx, submission, "deadline", None, error=got_to.get(submission.meta.turn_id))
        return tx.words

    @asynccontextmanager
    async def _books(self) -> AsyncIterator[Books]:
        async with self._state.transaction() as tx:
            books = Books(tx)
            yield books
            await books.words.read_unpublished(tx)

    # What a submission does

    async def _accept(self, tx: Books, event: Event[Any]) -> None:
        meta = event.meta
        if await turns.find(tx, meta) is not None:
            return
        refusal = await refusal_of(tx, meta, self._clock.now(), self._turns_per_minute)
        await turns.insert(tx, event, "waiting", self._clock.now())
        if refusal is not None:
            await turns.refuse(tx, meta)
            await self._fail(tx, event, refusal.code, refusal.failure, refusal.wait_s)
            return
        if event.fact.interrupts:
            while (before := await turns.next_waiting(tx, meta)) is not None and before.turn != meta.turn:
                await self._interrupt(tx, before, _NEWER, by=meta.turn, played=None)
            if (open_turn := await turns.opened(tx, meta)) is not None:
                await self._interrupt(tx, open_turn, _NEWER, by=meta.turn, played=None)
        await self._open_next(tx, meta)

    async def _open_next(self, tx: Books, meta: Meta) -> None:
        """Open the conversation's oldest waiting turn, if none is open."""
        if await turns.opened(tx, meta) is not None:
            return
        turn = await turns.next_waiting(tx, meta)
        if turn is None:
            return
        submission = _submission(turn)
        deadline = self._clock.now() + self._turn_timeout
        await turns.set_open(tx, submission.meta, deadline)
        fact = submission.fact
        opened: Fact = (
            said.SpeechTurnOpened(audio=fact.audio)
            if isinstance(fact, intake.AudioSubmitted)
            else said.TextTurnOpened(text=fact.text)
        )
        tx.words.accepted[turn.turn] = turn.accepted_at
        await self._say(tx, submission, _OPENED, opened, number=turn.number, deadline=deadline)

    async def _stop_on_request(self, tx: Books, event: Event[Any], request: intake.InterruptRequested) -> None:
        meta = event.meta
        turn = await turns.find(tx, meta)
        if turn is None and self._clock.now() - made_at(meta.turn_id) < STOPPED_AHEAD:
            # It still waits in the intake stream: it is ended before it begins, and ignored when it comes.
            await turns.insert(tx, Event[Fact].first(request, meta), "waiting", self._clock.now())
            turn = await turns.find(tx, meta)
        if turn is None or turn.conversation != meta.conversation:
            return
        if turn.status in ("open", "waiting"):
            await self._interrupt(tx, turn, request.reason, by=None, played=request.sentences_played)
        elif turn.status == "completed" and turn.speech and request.sentences_played is not None:
            await self._cut_short(tx, event, turn, request.sentences_played)

    async def _cut_short(self, tx: Books, event: Event[Any], turn: Turn, played: int) -> None:
        """The reply is whole, and was stopped while it was played: history keeps what was heard."""
        meta = _submission(turn).meta
        sentences = await turns.sentences(tx, meta)
        if played >= len(sentences):
            return
        spoken = " ".join(_in_order(sentences, turn.speech)[:played])
        await turns.set_ended(tx, meta, "interrupted")  # a second request finds nothing to stop
        await history.correct(tx, meta, spoken)
        cut = said.ReplyCutShort(reason=event.fact.reason, sentences_played=played, spoken=spoken)
        await self._say(tx, event, _OPENED, cut, number=turn.number)

    async def _refuse_others(self, tx: Books, meta: Meta, about: str | None, field: str) -> None:
        """Whose a turn is is known while the books have it; a front-end can ask the log about older ones.

        Raises InvalidField when it is another user's, or, of what is said on its own subject, another conversation's.
        """
        turn = await turns.find(tx, meta.model_copy(update={"turn": about})) if about else None
        if turn is None:
            return
        if _submission(turn).meta.user != meta.user:
            raise InvalidField(field, about, f"a turn of the user {meta.user!r}, who speaks of it")
        if field == "fact.about" and turn.conversation != meta.conversation:
            raise InvalidField("meta.conversation", meta.conversation, f"{turn.conversation}, that of the turn")

    async def _forget(self, tx: Books, event: Event[Any], given: forgetting.HistoryForgetGiven) -> None:
        """Once: what was said after the first time that this was heard is not meant, so a repetition takes nothing."""
        if await outbox.holds(tx, event.following(NAME, _OPENED, given, event.meta.time).meta.id):
            return
        whose = scope_of(event.meta)
        if given.only is None:
            await questions.forget(tx, whose)
        else:
            await questions.settle(tx, whose, given.only)
        gone = await history.forget(tx, whose, given.only)
        await self._say(tx, event, _OPENED, forgetting.HistoryForgotten(only=given.only, turns=gone))

    # What the stages tell

    async def _note(self, tx: Books, event: Event[Any]) -> None:
        turn = await turns.find(tx, event.meta)
        if turn is None or turn.status != "open" or turn.conversation != event.meta.conversation:
            return
        match event.fact:
            case said.StageFailed() as failure:
                await self._fail(tx, _submission(turn), failure.code, failure)
                return
            case chat.SentenceChosen() as chosen:
                await turns.set_sentence(tx, event.meta, chosen.index, chosen.text, None)
            case speech.SpeechReady() as ready:
                await turns.set_sentence(tx, event.meta, ready.index, ready.text, ready.audio_s)
            case chat.ReplyChosen() as reply:
                await turns.set_reply(tx, event.meta, reply.asked, reply.text, reply.sentences)
        await self._complete_if_done(tx, event.meta)

    async def _complete_if_done(self, tx: Books, meta: Meta) -> None:
        turn = await turns.find(tx, meta)
        if turn is None or turn.reply is None or turn.sentences is None:
            return
        audio_s = None
        if turn.speech:
            spoken = [s.audio_s for s in await turns.sentences(tx, meta) if s.audio_s is not None]
            if len(spoken) < turn.sentences:
                return
            audio_s = sum(spoken)
        ended = said.TurnCompleted(reply=turn.reply, sentences=turn.sentences, audio_s=audio_s)
        await self._end(tx, turn, "completed", ended, turn.reply)

    # Ends

    async def _fail(
        self,
        tx: Books,
        submission: Event[Any],
        code: said.FailureCode,
        failure: said.StageFailed | None,
        wait_s: int | None = None,
        error: str | None = None,
    ) -> None:
        turn = await turns.find(tx, submission.meta)
        if turn is None or turn.status not in ("open", "waiting"):
            return
        done = await _done_in(tx, submission.meta) if turn.status == "open" else ()
        fact = failed(code, failure, done, wait_s, error)
        await self._end(tx, turn, "failed", fact, "")
        if turn.speech:
            wanted = said.ApologyRequested(text=fact.message)
            until = self._clock.now() + APOLOGY_WITHIN
            await self._say(tx, submission, _APOLOGY, wanted, number=turn.number, deadline=until)

    async def _interrupt(self, tx: Books, turn: Turn, reason: str, *, by: str | None, played: int | None) -> None:
        """`played` sentences were heard; None: all that were spoken (or chosen, when no sound was wanted)."""
        meta = _submission(turn).meta
        spoken = " ".join(_in_order(await turns.sentences(tx, meta), turn.speech)[:played])
        await self._end(tx, turn, "interrupted", said.TurnInterrupted(reason=reason, by=by, spoken=spoken), spoken)

    async def _end(self, tx: Books, turn: Turn, status: turns.Status, fact: said.TurnEnd, heard: str) -> None:
        submission = _submission(turn)
        meta = submission.meta
        await turns.set_ended(tx, meta, status)
        await self._say(tx, submission, _ENDED, fact, number=turn.number, deadline=turn.deadline)
        asked = turn.asked or getattr(submission.fact, "text", None)
        if asked and (heard or status == "completed"):
            numbered = meta.model_copy(update={"number": turn.number})
            await history.record(tx, numbered, asked, heard, self._clock.now())
        await self._open_next(tx, meta)

    async def _say(
        self,
        tx: Books,
        cause: Event[Any],
        index: int,
        fact: Fact,
        number: int = 0,
        deadline: datetime | None = None,
    ) -> None:
        now = self._clock.now()
        event = cause.following(NAME, index, fact, now, number=number, deadline=deadline)
        if await outbox.add(tx, event, now):
            tx.words.said.append(event)


async def _done_in(tx: Books, meta: Meta) -> tuple[str, ...]:
    """What skills have done in a turn: whoever hears only that it failed would ask for it again."""
    said_in = await inbox.said_in(tx, meta.turn)
    facts = [event.fact for event in said_in if (event.meta.tenant, event.meta.run) == (meta.tenant, meta.run)]
    return tuple(fact.outcome.message for fact in facts if isinstance(fact, TaskCompleted) and fact.outcome.success)


def _in_order(sentences: Sequence[Sentence], speech: bool) -> list[str]:
    """What can have been heard: of several voices one may be ready with a sentence before the one that comes first."""
    told = itertools.takewhile(
        lambda each: each[1].place == each[0] and (each[1].audio_s is not None or not speech), enumerate(sentences)
    )
    return [sentence.text for _, sentence in told]


def _submission(turn: Turn) -> Event[Any]:
    return decode(turn.submission)
