"""Minimal mode: the engine that has no model. It answers small talk by rules, remembers names and what was said, and
says plainly what it cannot do.

It sees nothing but the messages of the request, so it is deterministic: the same conversation gets the same answer.
It gives no facts about the world, and answers no contract.
"""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

from infra.engines.port import Ask, Delta, EngineHealth, EngineUnavailable

_TOPIC_MAX_WORDS: Final = 8  # longer questions are not read back


@dataclass(frozen=True, slots=True)
class _Talk:
    """What the conversation looks like to a rule."""

    text: str  # the last thing that the person said
    before: tuple[str, ...]  # what they had said before, oldest first
    replies: tuple[str, ...]  # what was answered, oldest first

    @property
    def turn(self) -> int:
        return len(self.before)

    @property
    def name(self) -> str | None:
        """The person's name, if they ever told it; the latest counts."""
        for said in reversed((*self.before, self.text)):
            if found := _NAME.search(said):
                return found[1].title()
        return None

    def one_of(self, *answers: str) -> str:
        """Variety without chance: the next of the answers in each turn."""
        return answers[self.turn % len(answers)]


# "I am" names somebody only at the end of a sentence and in capitals: "I am tired" is a mood, "I am Ana." a name.
_NAME: Final = re.compile(
    r"(?:\b[Mm]y name(?:'s| is)|\b[Cc]all me)\s+([A-Za-zÀ-ÿ'-]{2,30})|\bI(?:'m| am) ([A-ZÀ-Þ][\w'-]{1,29})[.!]?\s*\Z"
)


def _greeting(talk: _Talk) -> str:
    name = f", {talk.name}" if talk.name else ""
    if talk.turn:
        return f"Hello again{name}! What can I do for you?"
    return f"Hello{name}! How can I help?"


def _how_are_you(talk: _Talk) -> str:
    return talk.one_of("I'm doing well, thank you. How are you?", "All is well here. And you?")


def _their_name(talk: _Talk) -> str:
    if talk.name:
        return f"Your name is {talk.name}."
    return "You haven't told me your name yet. What is it?"


def _told_name(talk: _Talk) -> str:
    return f"Nice to meet you, {talk.name}." if talk.name else "Nice to meet you."


def _what_i_said(talk: _Talk) -> str:
    return f'You said: "{_brief(talk.before[-1])}"' if talk.before else "That was the first thing you said to me."


def _say_again(talk: _Talk) -> str:
    return talk.replies[-1] if talk.replies else "I haven't said anything yet."


def _mood(talk: _Talk) -> str:
    return talk.one_of("I'm sorry to hear that. Would a note or a reminder help?", "That sounds hard. I'm here.")


def _question(talk: _Talk) -> str:
    words = re.sub(r"[^\w\s'-]", "", talk.text).split()
    about = f' "{" ".join(words)}"' if 2 <= len(words) <= _TOPIC_MAX_WORDS else " that"
    return talk.one_of(
        f"I can't answer{about} right now, because my language model is not running. "
        "I can still keep reminders, notes and expenses for you.",
        f"I don't know the answer to{about}: I'm running without a language model.",
    )


def _statement(talk: _Talk) -> str:
    return talk.one_of(
        "I see. I can set a reminder or take a note if you like.",
        "All right. Shall I write that down for you?",
        "Thanks for telling me. Is there anything I should keep for you?",
    )


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[_Talk], str]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), rule)
    for pattern, rule in (
        (r"\b(what('s| is)|do you (know|remember)|tell me) my name\b|\bwho am i\b", _their_name),
        (r"\bmy name(?:'s| is) \w|\bcall me \w", _told_name),
        (r"\bwhat did i (just )?(say|tell you|ask)\b", _what_i_said),
        (r"\b(say (that|it) again|repeat (that|it)|what did you (just )?say|pardon)\b", _say_again),
        (r"\bhow are you\b|\bhow('s| is) it going\b|\bhow do you do\b|\bwhat's up\b", _how_are_you),
        (
            r"\b(who|what) are you\b|\b(what('s| is)|tell me) your name\b|\bintroduce yourself\b",
            lambda _: "I'm Parley, your voice assistant.",
        ),
        (
            r"\bwhat can you do\b|\bhow can you help\b|\bwhat (do you|are you able to) do\b|^\s*help\b",
            lambda _: "I can keep reminders, notes, debts, expenses, events and friends for you. Just tell me.",
        ),
        (r"\bthank(s| you)\b|\bcheers\b", lambda talk: talk.one_of("You're welcome!", "Any time.", "Glad to help.")),
        (r"\b(good ?bye|bye|see you|good night|talk to you later)\b", lambda _: "Goodbye! Talk to you soon."),
        (r"^\s*(hello|hi|hey|good (morning|afternoon|evening)|greetings)\b", _greeting),
        (
            r"\bi('m| am| feel)( feeling)? (so |very |a bit |really )*(sad|tired|ill|sick|lonely|stressed|bored)\b",
            _mood,
        ),
        (
            r"\bi('m| am| feel) (so |very |really )?(happy|great|good|fine|well|excited)\b",
            lambda _: "That's good to hear!",
        ),
        (
            r"\b(tell|know|say) (me )?(a|another|some) (joke|story|poem)",
            lambda _: "I have no jokes or stories without my language model, I'm afraid.",
        ),
        (r"^\s*(yes|yeah|yep|sure|ok|okay|no|nope|never mind|stop)\b[\s.!]*$", lambda _: "All right."),
        (
            r"\?\s*$|^\s*(who|what|when|where|why|how|which|whose|is|are|was|were|do|does|did|can|could|will|would|should|"
            r"tell me|explain|describe|calculate|convert|translate)\b",
            _question,
        ),
    )
)


class ContextualEngine:
    """Needs no memory to speak of, is always there, and starts at once."""

    @property
    def backend(self) -> str:
        return "contextual"

    @property
    def model(self) -> str:
        return "rules"

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Answer in one piece. An answer that another engine began cannot be continued: nothing is added to it.

        Raises EngineUnavailable for a contract: rules do not fill in forms.
        """
        if ask.schema is not None:
            raise EngineUnavailable("contextual: without a model no contract can be answered")
        text = _answered(ask)
        if ask.continues:
            text = text[len(ask.continues) :] if text.startswith(ask.continues) else ""
        if text:
            yield Delta(text)
        yield Delta("", "stop")

    async def health(self) -> EngineHealth:
        return EngineHealth(True)

    async def aclose(self) -> None:
        return None


def _answered(ask: Ask) -> str:
    messages = [message for message in ask.messages if not message.example]
    said = [message.content for message in messages if message.role == "user"]
    talk = _Talk(
        text=said[-1].strip() if said else "",
        before=tuple(said[:-1]),
        replies=tuple(message.content for message in messages if message.role == "assistant"),
    )
    if not talk.text:
        return "I didn't hear anything. Could you say that again?"
    return next((rule(talk) for pattern, rule in _RULES if pattern.search(talk.text)), None) or _statement(talk)


def _brief(text: str) -> str:
    words = text.split()
    return " ".join(words[:20]) + (" ..." if len(words) > 20 else "")
