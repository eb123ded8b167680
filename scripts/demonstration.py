"""A conversation with Parley, spoken and typed, through the real bus, recogniser, language model and voice.

Shows who said what, what was understood, the reply, and where the time went; keeps each spoken reply as a WAV under
data/demo/. Exit 0 only if every turn ended with a reply. Uses a data folder of its own, made anew each time.
"""

import argparse
import asyncio
import importlib.metadata
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from rich.bar import Bar
from rich.console import Console
from rich.table import Table as TerminalTable

from infra import settings as configuration
from infra.audio import RATE_HZ, decode_blocking, join_wavs, pcm_of, wav_of
from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.event_log import reports
from infra.settings import Settings
from infra.voices.factory import make_voice
from pipeline import topology, wiring
from pipeline.cli import exits
from pipeline.cli.tables import terminal_table
from pipeline.engine_start import NAMES, with_engine
from pipeline.front_end import FollowedTurn, FrontEnd
from pipeline.logging_stage import ask_log
from pipeline.process import connected
from pipeline.supervisor import Supervisor
from pipeline.turn_result import intent_as_json, reply_of, spoken, timings_ms
from schemas.intake import Submission, TextSubmitted
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.turns import TurnCompleted

FOLDER: Final = Path("data/demo")
RECORDINGS: Final = "moonshine-voice"
BAR_WIDTH: Final = 40
LOGGED_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.1
CELL_CHARS: Final = 32
SAID: Final = "06-said.wav"  # "What are my reminders?"
SUMMARY: Final[dict[str, tuple[str, ...] | None]] = {
    "turns": ("number", "kind", "text", "intents", "status", "total_ms"),
    "latency": ("stage", "handled", "queue_p50_ms", "work_p50_ms", "work_p95_ms"),
    "engines": ("backend", "model", "fallback", "reason", "replies"),
    "counts": ("type", "events"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of the script. `text` is typed, spoken by a voice, or the name of a recording with a stretch of it."""

    how: Literal["typed", "synthesised voice", "human voice"]
    text: str
    from_s: float = 0.0
    to_s: float = 0.0


SCRIPT: Final = (
    Line("typed", "Hello! How are you?"),
    Line("synthesised voice", "Remind me tomorrow at three to call the dentist."),
    Line("typed", "note that the spare key is under the blue flower pot"),
    Line("typed", "Sarah owes me $50 for dinner"),
    Line("typed", "set a reminder for 1 a.m. to sleep and note to buy chocolate"),
    Line("synthesised voice", "What are my reminders?"),
    Line("human voice", "two_cities.wav", 0.5, 6.0),
    Line("human voice", "beckett.wav", 0.0, 9.9),
    Line("typed", "show me my notes"),
    Line("typed", "What is the capital of France?"),
    Line("typed", "uh the um thing with the"),
)


def main() -> int:
    """Exit 0 when every turn ended with a reply, 1 when one did not, 3 when Parley did not start."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--minimal", action="store_true", help="without a language model, as --engine none")
    parser.add_argument("--engine", help=f"instead of the configured one: {', '.join(NAMES)}")
    arguments = parser.parse_args()
    with exits.told():
        settings = configuration.load()
        engine = "none" if arguments.minimal else arguments.engine
        settings = settings if engine is None else with_engine(settings, engine)
        usual, settings = settings.data_dir, settings.model_copy(update={"data_dir": FOLDER / "parley"})
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        return asyncio.run(_demonstrate(settings, usual, Console()))


async def _demonstrate(settings: Settings, usual: Path, console: Console) -> int:
    began = time.monotonic()
    console.rule("starting Parley")
    async with Supervisor(
        settings, topology.PROCESSES, lambda line: console.print(line, highlight=False, soft_wrap=True), beside=usual
    ).running() as at:
        console.print(f"ready after {time.monotonic() - began:.1f} s")
        async with connected(at, "parley-demo") as bus:
            front_end = FrontEnd(bus, await wiring.blobs_of(settings, bus), settings, SystemClock())
            turns = await _converse(front_end, console)
            await _summary(bus, console, turns)
    failed = [turn for turn in turns if not isinstance(turn.ended, TurnCompleted)]
    _what_next(console, settings)
    if failed:
        console.print(f"[bold red]{len(failed)} of {len(turns)} turns ended without a reply[/]")
    return 1 if failed else 0


async def _converse(front_end: FrontEnd, console: Console) -> list[FollowedTurn]:
    voice = make_voice("hibari")
    await voice.load()
    conversation = front_end.new_meta().conversation
    turns = []
    try:
        for number, line in enumerate(SCRIPT, 1):
            console.rule(f"turn {number} · {line.how}", align="left")
            submission: Submission
            if line.how == "typed":
                submission = TextSubmitted(text=line.text)
            else:
                if line.how == "synthesised voice":
                    sound = await voice.speak(line.text)
                    wav = wav_of(sound.pcm, sound.rate_hz)
                    await asyncio.to_thread((FOLDER / f"{number:02d}-said.wav").write_bytes, wav)
                else:
                    wav = await asyncio.to_thread(_recording, line)
                submission = await front_end.audio(wav, "audio/wav")
            turn = await front_end.send(submission, front_end.new_meta(conversation=conversation))
            path = await _keep_speech(front_end, turn, number)
            _show(console, line, turn, path)
            turns.append(turn)
    finally:
        await voice.aclose()
    return turns


def _recording(line: Line) -> bytes:
    """A stretch of a recording of a human voice, from the package that brings it."""
    files = importlib.metadata.files(RECORDINGS) or []
    found = next(file for file in files if file.name == line.text)
    samples = decode_blocking(Path(str(found.locate())).read_bytes())
    stretch = samples[int(line.from_s * RATE_HZ) : int(line.to_s * RATE_HZ)]
    return wav_of(pcm_of(stretch), RATE_HZ)


async def _keep_speech(front_end: FrontEnd, turn: FollowedTurn, number: int) -> Path | None:
    wavs = [await front_end.blobs.get(sentence.audio) for sentence in spoken(turn)]
    if not wavs:
        return None
    path = FOLDER / f"{number:02d}-reply.wav"
    await asyncio.to_thread(path.write_bytes, join_wavs(wavs))
    return path


def _show(console: Console, line: Line, turn: FollowedTurn, path: Path | None) -> None:
    said = line.text if line.how != "human voice" else f"{line.text}, {line.from_s:.1f} to {line.to_s:.1f} s"
    console.print(f"you said    {said}", markup=False, highlight=False)
    if (heard := turn.last(TranscriptReady)) is not None:
        console.print(f"it heard    {heard.text or f'({heard.empty_because})'}", markup=False, highlight=False)
    classified = turn.last(IntentClassified)
    for intent in classified.intents if classified else ():
        told = intent_as_json(intent)
        console.print(
            f"intent      {told['label']} ({told['confidence']:.2f}, {told['decided_by']})  {told['slots'] or ''}",
            markup=False,
            highlight=False,
        )
    console.print("it replied  ", reply_of(turn.ended) or "(nothing)", style="bold", markup=False, highlight=False)
    if path is not None:
        seconds = sum(sentence.audio_s for sentence in spoken(turn))
        console.print(f"spoken      {path} ({seconds:.1f} s)", markup=False, highlight=False)
    console.print(_bars(turn))


def _bars(turn: FollowedTurn) -> TerminalTable:
    """A bar a stage: where its work lies in the turn, with queue and work in milliseconds."""
    stages = timings_ms(turn.told)
    total = sum(each["queue"] + each["work"] for each in stages.values()) or 1.0
    table = TerminalTable.grid(padding=(0, 1))
    at = 0.0
    for name in topology.STAGE_NAMES:
        if name not in stages:
            continue
        queue, work = stages[name]["queue"], stages[name]["work"]
        bar = Bar(total, at + queue, at + queue + max(work, total / BAR_WIDTH / 2), width=BAR_WIDTH, color="cyan")
        table.add_row(f"  {name}", bar, f"queue {queue:7.1f} ms", f"work {work:8.1f} ms")
        at += queue + work
    return table


async def _summary(bus: Bus, console: Console, turns: Sequence[FollowedTurn]) -> None:
    console.rule("what the log says (DuckDB, asked over the bus while it is written)")
    await _all_logged(bus, len(turns))
    for name, columns in SUMMARY.items():
        report = reports.report(name)
        table = await ask_log(bus, report.sql, report.parameters())
        if name == "turns":
            table = replace(table, rows=table.rows[::-1])  # as they were said
        console.print(terminal_table(table, f"{report.title}: {report.says}", columns=columns, cell_chars=CELL_CHARS))


async def _all_logged(bus: Bus, turns: int) -> None:
    """The log is a few milliseconds behind the last turn: wait until it has every end."""
    until = time.monotonic() + LOGGED_WITHIN_S
    ended = "SELECT count(*) FROM events WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')"
    while time.monotonic() < until:
        if (await ask_log(bus, ended)).rows[0][0] == turns:
            return
        await asyncio.sleep(LOOK_EVERY_S)


def _what_next(console: Console, settings: Settings) -> None:
    console.rule("what next")
    console.print(
        f"The replies lie in {FOLDER}/ as WAV files, the log in {settings.data_dir / wiring.LOG_FILE}:\n\n"
        f"  PARLEY_DATA_DIR={settings.data_dir} scripts/parley log query \\\n"
        '      "SELECT number, text, reply, total_ms FROM turns ORDER BY total_ms DESC"\n\n'
        "Now start Parley for yourself in one terminal, and talk to it from another:\n\n"
        "  scripts/parley up\n\n"
        '  scripts/parley say "remind me in two hours to stretch"\n'
        f"  scripts/parley hear {FOLDER}/{SAID} --out reply.wav",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
