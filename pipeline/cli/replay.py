"""`parley replay …`: run logged turns again through today's stages, and say what came out differently."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from infra import settings as configuration
from infra.clock import SystemClock, new_id
from infra.settings import CONTEXTUAL, Settings, SettingsError, without_login
from pipeline import topology
from pipeline.cli import exits, replay_diff
from pipeline.cli.exits import Exit
from pipeline.cli.joining import joined, note
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking_and_telling
from pipeline.replay.choosing import CONTROL, PARALLEL, Wanted
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token, checked_uuid7

if TYPE_CHECKING:
    from pipeline.replay.replaying import Outcome, Pace

app = typer.Typer(
    help="Run logged turns again through today's stages, as a run of its own, and compare.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
STEADY: Final = {"chat.temperature": "0"}  # so that a second replay says the same; a turn's seed is always its own
FIXED: Final = (
    *("data_dir", "bus", "blobs", "tenant", "user", "time_zone", "telemetry", "limits"),
    *("training_data", "training_data_dir", "log", "audio", "prices"),
)
ENGINE: Final = ("engine", "vllm")
CHAT: Final = "chat"
SECRETS: Final = ("api_key", "hf_token")
TOLD_EVERY_S: Final = 2.0


app.command()(replay_diff.diff)
app.command("list")(replay_diff.runs)


@app.callback()
def replay(
    context: typer.Context,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="The turns of one conversation.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help=f"Turns from here on. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Turns before this time.")] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", help="Turns for which this SQL is true of the view `turns`; or a SELECT of turns."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All turns.")] = False,
    start: Annotated[
        str, typer.Option("--from", help=f"The first stage to work anew: {', '.join(topology.STAGE_NAMES)}.")
    ] = "stt",
    speed: Annotated[
        str, typer.Option("--speed", help="max, realtime, or how many times as fast as the turns came.")
    ] = "max",
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=256, help="Turns at once, at --speed max.")
    ] = PARALLEL,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting for this run, e.g. engine.model=FILE, prompts=DIR, stt.backend=moonshine."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The new run's name.")] = None,
    of: Annotated[str, typer.Option("--run", help="The run that is repeated.")] = LIVE_RUN,
    control: Annotated[
        bool,
        typer.Option(
            "--control/--no-control", help="With --set: also run them with the usual settings, to compare with."
        ),
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was broken off.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Run logged turns again as a run of its own: nobody is spoken to, what was logged and is remembered stays.

    Each turn finds the time and the memory (reminders, notes, history) that it found then, so what comes out
    differently comes from what was changed. Engines are asked at temperature 0 with a seed of the turn's own.
    Begin with one of --conversation, --since, --where, --all; then `parley replay diff RUN`.
    """
    if context.invoked_subcommand is not None:
        return
    with exits.told():
        from pipeline.replay.replaying import Pace
        from pipeline.replay.stages import first_and_later

        plain = configuration.load()
        if not (everything or conversation or since or until or where):
            raise InvalidField("the turns", None, "one of --conversation, --since, --until, --where or --all")
        wanted = Wanted(
            conversation=checked_uuid7("--conversation", conversation) if conversation is not None else None,
            since=moment("--since", since, plain.time_zone) if since is not None else None,
            until=moment("--until", until, plain.time_zone) if until is not None else None,
            where=where,
            of=checked_token("--run", of),
        )
        first_and_later(start)
        run = _run_name(name, plain.time_zone, resume=resume)
        if run == wanted.of:
            raise InvalidField("--name", run, "another name than that of the run that is repeated")
        told = _changes(changes or [])
        settings = _settings(told)
        pace = Pace(_times(speed), parallel)
        plans = [(run, settings, told)]
        if told and control and CHAT in first_and_later(start):
            plans.append((checked_token("--name", CONTROL.format(run)), _settings({}), {}))
        left = False
        for each, its_settings, its_changes in plans:
            order = _Order(its_settings, wanted, each, start, its_changes, pace, is_control=each != run)
            try:
                outcome = asyncio.run(_replay(order, resume=resume, quiet=as_json))
            except KeyboardInterrupt:
                note(f"{each} was broken off; the same command with --name {run} --resume goes on with it")
                raise
            _tell(outcome, as_json=as_json)
            left = left or (not outcome.turns and bool(outcome.left) and not resume)
        if left:
            raise SystemExit(int(Exit.TURN_FAILED))
        if not as_json:
            print(f"next       parley replay diff {run}")


@dataclass(frozen=True, slots=True)
class _Order:
    """One run that is wanted."""

    settings: Settings
    wanted: Wanted
    run: str
    start: str
    changes: dict[str, str]
    pace: "Pace"
    is_control: bool = False


def _run_name(name: str | None, zone: str, *, resume: bool) -> str:
    if name is None:
        if resume:
            raise InvalidField("--name", None, "the name of the run to go on with")
        return f"replay-{datetime.now(ZoneInfo(zone)):%Y%m%d-%H%M%S}-{new_id()[-4:]}"
    if name == LIVE_RUN:
        raise InvalidField("--name", name, f"another name than {LIVE_RUN}: that is what people said")
    return checked_token("--name", name)


def _times(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        times = 1.0 if speed == "realtime" else float(speed)
    except ValueError:
        times = 0.0
    if not 0 < times < float("inf"):
        raise InvalidField("--speed", speed, "max, realtime, or a number above 0 such as 10 (ten times as fast)")
    return times


def _changes(given: list[str]) -> dict[str, str]:
    """`--set` as keys and values. Raises InvalidField."""
    changes: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InvalidField("--set", each, "a key and a value, such as engine.model=FILE")
        if key.split(".")[0] in FIXED:
            raise InvalidField(
                "--set", each, f"a setting of the stages or engines; {key.split('.')[0]} is not changed by a replay"
            )
        changes[key] = value
    return changes


def _settings(changes: dict[str, str]) -> Settings:
    """What the stages of this run work with. Raises SettingsError."""
    from pipeline.prompt_catalogue import checked

    settings = configuration.checked_prompts(configuration.load(changes=changes))
    # Of several candidates all would be the same without chance.
    steady = "chat.temperature" not in changes and settings.chat.candidates == 1
    if steady:
        settings = configuration.load(changes={**STEADY, **changes})
    if settings.prompts is not None and (wrong := checked(settings.prompts)):
        raise SettingsError(f"prompts: {wrong[0]}")
    if steady:  # a model's own temperature goes before chat's
        models = {
            name: model.model_copy(update={"temperature": 0.0})
            if model.temperature and f"models.{name}.temperature" not in changes
            else model
            for name, model in settings.models.items()
        }
        settings = settings.model_copy(update={"models": models})
    own_engine = any(key.split(".")[0] in ENGINE for key in changes)
    running = joined(settings)
    return running.model_copy(update={"engine": settings.engine}) if own_engine else running


async def _replay(order: _Order, *, resume: bool, quiet: bool) -> "Outcome":
    from pipeline import engine_start
    from pipeline.engines import uses_shared
    from pipeline.replay import choosing, stages
    from pipeline.replay.diffing import begun_as, repeated_by
    from pipeline.replay.replaying import Outcome
    from pipeline.replay.replaying import replay as run_again
    from pipeline.replay.run_log import RunLog
    from pipeline.replay.turn import Run

    clock, settings, wanted, run = SystemClock(), order.settings, order.wanted, order.run
    shared = Run(
        run,
        wanted.of,
        order.start,
        _shown({"chat.temperature": f"{settings.chat.temperature:g}", **order.changes}),
        settings.turn.timeout,
    )
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(asking_and_telling(settings))
        if not resume and await choosing.is_there(log.ask, run):
            raise InvalidField("--name", run, "a name that no run in the log has yet, or --resume to go on with it")
        begun = await begun_as(log.ask, run) if resume else None
        if resume and begun is None and not order.is_control:
            raise InvalidField("--name", run, "a run that was begun; `parley replay list` names them")
        if begun is not None and begun != shared.terms:
            raise InvalidField("--resume", run, f"the terms with which it was begun: {begun}; these are {shared.terms}")
        if await repeated_by(log.ask, wanted.of) is not None:
            raise InvalidField("--run", wanted.of, "a run that people had; a replay is compared with another by `diff`")
        done = await choosing.ended_in(log.ask, run) if resume else frozenset()
        chosen = await choosing.chosen(log.ask, wanted, done)
        if not chosen.by_user and done:
            return Outcome(run, unfinished=chosen.unfinished)
        if not chosen.by_user:
            asked = {"--where": wanted.where, "--conversation": wanted.conversation}
            asked |= {"--since": _iso(wanted.since), "--until": _iso(wanted.until), "--run": wanted.of}
            option, given = next((name, value) for name, value in asked.items() if value is not None)
            raise InvalidField(
                option, given, f"turns that have ended in run {wanted.of!r} of the log: `parley log stats turns`"
            )
        names = stages.first_and_later(order.start)
        asks_an_engine = bool({"intent", "chat"} & set(names)) and uses_shared(settings)
        if asks_an_engine and settings.engine.base_url is None and settings.engine.backend != CONTEXTUAL:
            own = settings.model_copy(update={"data_dir": settings.data_dir / "replay"})  # its log, not the live one's
            started = await stack.enter_async_context(engine_start.running(own, note, beside=settings.data_dir))
            settings = started.model_copy(update={"data_dir": settings.data_dir})
        opened = await stack.enter_async_context(stages.opened(order.start, settings, log.bus, clock))
        tell = _Progress(run, quiet=quiet)
        return await run_again(shared, chosen, log.ask, RunLog(log.take_in, run, clock), opened, order.pace, tell)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _shown(changes: dict[str, str]) -> dict[str, str]:
    return {
        key: "(hidden)" if key.split(".")[-1] in SECRETS else without_login(value) for key, value in changes.items()
    }


class _Progress:
    """Says how far it is, from time to time."""

    def __init__(self, run: str, *, quiet: bool) -> None:
        self._run = run
        self._quiet = quiet
        self._began = self._told_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._quiet or now - self._told_at < TOLD_EVERY_S:
            return
        self._told_at = now
        note(f"{self._run}: {done} of {total} turns, {done / (now - self._began):.1f} a second")


def _tell(outcome: "Outcome", *, as_json: bool) -> None:
    if as_json:
        told = {"run": outcome.run, "turns": outcome.turns, "completed": outcome.completed, "failed": outcome.failed}
        told |= {"left_out": dict(outcome.left), "events": outcome.events, "folded_otherwise": outcome.otherwise}
        told |= {"troubles": outcome.troubles, "took_s": round(outcome.took_s, 3)}
        print(json.dumps(told))
        return
    print(
        f"{outcome.run}: {outcome.turns} turns run again in {outcome.took_s:.1f} s "
        f"({outcome.turns_a_second:.1f} a second), {outcome.completed} completed, {outcome.failed} failed"
    )
    for why, count in outcome.left.most_common():
        print(f"left out   {count}: {why}")
    if outcome.unfinished:
        print(f"left out   {outcome.unfinished}: they have not ended yet")
    if outcome.otherwise:
        print(f"note       of {outcome.otherwise} turns today's skills make something else than they did then")
    for trouble in outcome.troubles[:5]:
        note(f"memory     not all of it could be made anew: {trouble}")
