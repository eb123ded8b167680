"""One candidate of a reply, sentence by sentence: what is fixed comes first and last, the engine's part between.

It resumes after what was already said, outlives an engine that breaks in the middle, and always comes to an end that
can be spoken. Knows no events: roles on one side, texts on the other.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from infra.engines.port import Ask, EngineCut, EngineError, Priority
from infra.engines.roles import Reply, Roles
from infra.prompts import neutral
from schemas.chat import EngineUse, TokenUse
from stages.chat.sentences import SentenceStream
from stages.chat.tidying import tidied

NO_ANSWER: Final = "I'm sorry, I don't have a good answer to that."
CLOSING: Final = "Is there anything else I can do for you?"  # after a reply that broke off behind a whole sentence
_BREAKS_MAX: Final = 2  # engines that may break in the course of one reply


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence of the reply."""

    text: str
    last: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reply is made of. `ask` is None when nothing in it is for the engine."""

    opening: tuple[str, ...] = ()
    ask: Ask | None = None
    closing: tuple[str, ...] = ()
    max_sentences: int = 4  # of the engine's


class Draft:
    """Generates one candidate. `sentences`, `finish`, `use` and `tokens` tell how far it has come."""

    def __init__(self, roles: Roles, plan: Plan, said: Sequence[str] = (), ended: bool = False) -> None:
        """`said` are its sentences from before a redelivery, `ended` whether the last of them was marked so."""
        self.sentences = list(said)
        self.ended = ended
        self.finish: Literal["stop", "length", "cut", "error"] = "stop"
        self.tokens = TokenUse()
        self._roles = roles
        self._plan = plan
        self._use: EngineUse | None = None
        self._notes: list[str] = []
        self._broke = False  # an engine did in the middle: what follows is not its own
        self._unusable: set[str] = set()  # names of engines that said nothing that can be spoken

    @property
    def use(self) -> EngineUse | None:
        """The engine that gave the text, and all that went wrong; None as long as no engine was asked."""
        if self._use is None or not self._notes:
            return self._use
        reasons = [self._use.reason] if self._use.reason else []
        changes = {"reason": "; ".join([*reasons, *self._notes]), "fallback": self._use.fallback or self._broke}
        return self._use.model_copy(update=changes)

    async def rest(self) -> AsyncGenerator[Spoken]:
        """The sentences that are still to be said, the last one marked. Raises EngineError when no engine starts."""
        if self.ended:
            return
        plan = self._plan
        closed = _overlap(self.sentences, plan.closing)
        opening = plan.opening[len(self.sentences) :]
        for place, text in enumerate(opening, start=1):
            yield self._said(text, place == len(opening) and plan.ask is None and not plan.closing)
        if plan.ask is not None and not closed:
            async with aclosing(self._of_engine(plan.ask)) as generated:
                async for spoken in generated:
                    yield self._said(spoken.text, spoken.last and not plan.closing)
        for place, text in enumerate(plan.closing[closed:], start=closed + 1):
            yield self._said(text, place == len(plan.closing))

    @property
    def of_engine(self) -> str:
        """What an engine has said of this reply, without what was fixed before and after it."""
        return " ".join(self._own[: len(self._own) - _overlap(self.sentences, self._plan.closing)])

    @property
    def priority(self) -> Priority:
        return self._plan.ask.priority if self._plan.ask else Priority.LIVE

    def at(self, priority: Priority) -> Self:
        """The same draft, asking with another priority from now on."""
        if self._plan.ask is not None:
            self._plan = replace(self._plan, ask=replace(self._plan.ask, priority=priority))
        return self

    def _said(self, text: str, last: bool) -> Spoken:
        self.sentences.append(text)
        self.ended = last
        return Spoken(text, last)

    @property
    def _own(self) -> list[str]:
        """What the engine has said of this reply."""
        return self.sentences[len(self._plan.opening) :]

    async def _of_engine(self, ask: Ask) -> AsyncGenerator[Spoken]:
        """What an engine says, with a last sentence."""
        async with aclosing(self._heard(ask)) as heard:
            async for spoken in heard:
                yield spoken
                if spoken.last:
                    return
        async with aclosing(self._ended(ask)) as ending:
            async for spoken in ending:
                yield spoken

    async def _heard(self, ask: Ask) -> AsyncGenerator[Spoken]:
        """The engine's sentences; the last is only marked where the engine itself has come to an end."""
        stream = SentenceStream()
        async with aclosing(self._texts(replace(ask, continues=" ".join(self._own)))) as texts:
            async for text in texts:
                if text is None:
                    stream = SentenceStream()
                    continue
                for sentence in stream.feed(text):
                    tidy = tidied(sentence, self._own)
                    following = tidied(stream.pending)
                    ends = tidy.ends or (None if following.text else following.ends)
                    full = len(self._own) + 1 >= self._plan.max_sentences
                    if ends:
                        self._notes.append(f"stopped at {ends}")
                    elif full and tidy.text:
                        self.finish = "length"
                    if tidy.text:
                        yield Spoken(tidy.text, last=bool(ends) or full)
                    if ends or (full and tidy.text):
                        return
        for spoken in self._tail(stream):
            yield spoken

    def _tail(self, stream: SentenceStream) -> list[Spoken]:
        """The end of the engine's text. Half a sentence is only said when there is nothing else to say."""
        whole = self.finish == "stop"
        texts: list[str] = []
        for sentence in stream.rest() if whole or not self._own else []:
            tidy = tidied(sentence, (*self._own, *texts))
            texts += [tidy.text] if tidy.text else []
            if tidy.ends:
                self._notes.append(f"stopped at {tidy.ends}")
                break
        texts = texts[: max(1, self._plan.max_sentences - len(self._own))]
        if texts and not whole and not texts[-1].endswith((".", "!", "?")):
            texts[-1] += " ..."
        return [Spoken(text, place == len(texts)) for place, text in enumerate(texts, start=1)]

    async def _ended(self, ask: Ask) -> AsyncGenerator[Spoken]:
        """What follows where the engine gave nothing to end with: the next engine, if nothing at all was said yet."""
        if self._own:
            yield Spoken(CLOSING, last=True)
            return
        self._notes.append(f"{_name(self._use)} said nothing usable")
        if self._use is not None and _name(self._use) not in self._unusable:
            self._unusable.add(_name(self._use))
            before, self.finish, self._use = self._use, "stop", None
            try:
                async with aclosing(self._of_engine(replace(ask, continues=""))) as generated:
                    async for spoken in generated:
                        yield spoken
                return
            except EngineError as error:
                self._notes.append(str(error))
                self._use = before
        self.finish = "error"
        yield Spoken(NO_ANSWER, last=True)

    async def _texts(self, ask: Ask) -> AsyncGenerator[str | None]:
        """The engine's text in pieces, continued on the next engine when one breaks. None: it begins anew."""
        heard = ask.continues
        for _ in range(_BREAKS_MAX + 1):
            nothing = True
            asked = replace(ask, continues=neutral(heard))
            try:
                async with self._roles.stream("chat", asked, self._unusable) as reply:
                    pieces = 0
                    try:
                        async for delta in reply:
                            if delta.text:
                                nothing, pieces = False, pieces + 1
                                heard += delta.text
                                self._use = reply.use
                                yield delta.text
                            if delta.finish is not None:
                                self.finish = delta.finish
                    finally:
                        self._count(reply, pieces)
            except EngineCut as cut:
                self._notes.append(str(cut))
                self.finish, self._broke = "error", True
                continue
            except EngineError as error:
                if not heard:
                    raise
                self._notes.append(str(error))
                self.finish = "error"
                return
            self._use = self._use or reply.use
            if nothing and heard and not self._own:
                # Half a sentence that the next engine could not take up, and nothing of it was said: begin anew.
                heard = ""
                yield None
                continue
            if nothing and heard != ask.continues:
                self.finish = "error"  # it ends where the first engine broke
            return

    def _count(self, reply: Reply, pieces: int) -> None:
        """Add the engine's count; of an answer that was stopped there is none, and its pieces are counted."""
        used = reply.tokens
        completion = self.tokens.completion + (used.completion or pieces)
        self.tokens = TokenUse(prompt=self.tokens.prompt + used.prompt, completion=completion)


def _name(use: EngineUse | None) -> str:
    return f"{use.backend}/{use.model}" if use is not None else "the engine"


def _overlap(said: Sequence[str], closing: Sequence[str]) -> int:
    """How many sentences of the closing have been said."""
    return next((n for n in range(len(closing), 0, -1) if tuple(said[-n:]) == tuple(closing[:n])), 0)
