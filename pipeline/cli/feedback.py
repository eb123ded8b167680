"""`parley feedback`: what somebody thinks of the reply to a turn, as an event like any other."""

import asyncio
from typing import Annotated, Any, Literal

import pydantic
import typer

from infra import settings as configuration
from infra.clock import SystemClock
from pipeline import judged_turns, wiring
from pipeline.cli import exits
from pipeline.cli.joining import bus_of
from pipeline.front_end import FrontEnd
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token, checked_uuid7
from schemas.intake import FeedbackGiven
from schemas.intents import IntentLabel
from schemas.refusals import expected_by
from schemas.turns import FeedbackRecorded

_LABELS = ", ".join(label.value for label in IntentLabel)
_OPTIONS = {"about": "TURN", "correction": "--correct-text", "intent": "--correct-intent", "preferred": "--prefer"}
_OPTIONS |= {"reward": "--reward", "compared_with": "--over", "comment": "--comment"}


def feedback(
    turn: Annotated[str, typer.Argument(help="The turn's id: `turn_id` of `parley say --json`, or a row of the log.")],
    up: Annotated[bool, typer.Option("--up", help="The reply was good.")] = False,
    down: Annotated[bool, typer.Option("--down", help="The reply was bad.")] = False,
    intent: Annotated[
        str | None,
        typer.Option("--correct-intent", metavar="LABEL", help=f"What it should have been taken for: {_LABELS}."),
    ] = None,
    text: Annotated[str | None, typer.Option("--correct-text", help="What the reply should have been.")] = None,
    prefer: Annotated[
        int | None,
        typer.Option("--prefer", metavar="CANDIDATE", help="Which candidate should have been chosen, from 0."),
    ] = None,
    reward: Annotated[
        float | None,
        typer.Option("--reward", help="How good the reply is, -1 to 1; with --over, how much better than that one."),
    ] = None,
    over: Annotated[
        str | None, typer.Option("--over", metavar="TURN2", help="The turn that --reward compares this one with.")
    ] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Anything else.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Whose feedback it is; default: `user` in config.yaml.")
    ] = None,
    run: Annotated[str, typer.Option("--run", help="The run; live unless the turn is one of a replay.")] = LIVE_RUN,
) -> None:
    """Say what you think of the reply to a turn; several things at once if you like. It is kept and exported.

    Exit status: 2 when the turn is not in the log, or is another user's, or nothing was said; 3 when no Parley runs.
    """
    with exits.told():
        checked_uuid7("TURN", turn)
        checked_token("--run", run)
        given = _given(turn, up, down, intent, text, prefer, reward, over, comment)
        recorded = asyncio.run(_give(given, user, run))
        print(f"recorded: {_told(recorded, keeps_words=configuration.load().training_data)}")


def _given(
    turn: str,
    up: bool,
    down: bool,
    intent: str | None,
    text: str | None,
    prefer: int | None,
    reward: float | None,
    over: str | None,
    comment: str | None,
) -> FeedbackGiven:
    """What the options say. Raises InvalidField."""
    if up and down:
        raise InvalidField("--up and --down", "both", "one of them")
    if intent is not None and intent not in set(IntentLabel):
        raise InvalidField("--correct-intent", intent, f"one of {_LABELS}")
    for option, words in (("--correct-text", text), ("--comment", comment)):
        if words is not None and not words.strip():
            raise InvalidField(option, words, "words, or the option left out")
    rating: Literal["up", "down"] | None = "up" if up else "down" if down else None
    said: dict[str, Any] = {"about": turn, "rating": rating, "correction": text, "comment": comment, "intent": intent}
    said |= {"preferred": prefer, "reward": reward, "compared_with": over}
    if over is not None and reward is None:
        raise InvalidField("--over", over, "--reward with it: how much better TURN's reply is than that one, -1 to 1")
    if all(value is None for name, value in said.items() if name not in ("about", "compared_with")):
        raise InvalidField("feedback", "nothing", "one of --up, --down, --correct-intent, --correct-text, --prefer, …")
    try:
        return FeedbackGiven.model_validate(said)
    except pydantic.ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        field = str(first["loc"][0]) if first["loc"] else getattr(cause, "field", "feedback")
        raise InvalidField(_OPTIONS.get(field, field), said.get(field, first["input"]), expected_by(first)) from None


async def _give(given: FeedbackGiven, user: str | None, run: str) -> FeedbackRecorded:
    settings = configuration.load()
    whose = user or settings.user
    async with bus_of(settings) as bus:
        found = await judged_turns.find(bus, settings.tenant, run, given.about)
        about = judged_turns.refuse_unless_own("TURN", given.about, found, whose)
        assert found is not None  # else refused
        judged_turns.refuse_unless_there("--prefer", given.preferred, found)
        if (other := given.compared_with) is not None:
            compared = await judged_turns.find(bus, settings.tenant, run, other)
            judged_turns.refuse_unless_own("--over", other, compared, whose)
        front_end = FrontEnd(bus, await wiring.blobs_of(settings, bus), settings, SystemClock())
        return await front_end.give(given, about, FeedbackRecorded)


def _told(recorded: FeedbackRecorded, *, keeps_words: bool) -> str:
    from infra.event_log.content import KEPT

    said = recorded.model_dump(mode="json", exclude_none=True, exclude={"about"})
    lost = [] if keeps_words else [name for name, value in said.items() if isinstance(value, str) and name not in KEPT]
    kept = [f"{name} {value}" for name, value in said.items() if name not in lost]
    told = ", ".join(kept) or "that something was said"
    return f"{told}; training_data is off, so the words of {' and '.join(lost)} are not kept" if lost else told
