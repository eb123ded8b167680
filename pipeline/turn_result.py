"""What became of a turn, in the shape that `--json` prints. Knows the events, not how they were obtained."""

from collections import defaultdict
from typing import Any, Final

from pipeline.front_end import FollowedTurn, Told
from schemas.chat import ReplyGenerated
from schemas.intents import Intent, IntentClassified
from schemas.speech import ApologySpoken, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted
from schemas.turns import TextTurnOpened, TurnCompleted, TurnEnd, TurnFailed, TurnInterrupted

STATUS: Final[dict[type[object], str]] = {
    TurnCompleted: "completed",
    TurnFailed: "failed",
    TurnInterrupted: "interrupted",
}


def result_of(turn: FollowedTurn, speech_path: str | None = None) -> dict[str, Any]:
    """One JSON object; absent parts are null or empty."""
    end = turn.ended
    heard, typed = turn.last(TranscriptReady), turn.last(TextTurnOpened)
    classified, generated = turn.last(IntentClassified), turn.last(ReplyGenerated)
    failure = end.model_dump(exclude={"message"}) if isinstance(end, TurnFailed) else None
    return {
        "turn_id": turn.meta.turn,
        "conversation_id": turn.meta.conversation,
        "status": STATUS.get(type(end), "open"),
        "transcript": heard.text if heard else typed.text if typed else None,
        "intents": [intent_as_json(intent) for intent in classified.intents] if classified else [],
        "tasks": [_task(task) for task in turn.every(TaskCompleted)],
        "reply": reply_of(end),
        "speech": _speech(turn, speech_path),
        "engine": generated.engine.model_dump(mode="json") if generated else None,
        "timings_ms": timings_ms(turn.told),
        "error": failure,
    }


def reply_of(end: TurnEnd | None) -> str | None:
    """What the person is told at a turn's end: the reply, what was heard of it, or why there is none."""
    match end:
        case TurnCompleted() as done:
            return done.reply
        case TurnFailed() as failed:
            return failed.message
        case TurnInterrupted() as stopped:
            return stopped.spoken
    return None


def timings_ms(told: list[Told]) -> dict[str, dict[str, float]]:
    """Per stage: the longest wait of an event in its queue, and the work summed over the events that it handled.

    Of an event that led to several others, the time to the last of them is the work.
    """
    queue: dict[str, float] = {}
    work: defaultdict[str, dict[str | None, float]] = defaultdict(dict)
    for each in told:
        stage, cause = each.event.meta.stage, each.event.meta.cause
        if each.hop.stage != stage or stage in ("keeper", "front-end"):
            continue
        queue[stage] = max(queue.get(stage, 0.0), each.hop.queue_ms)
        work[stage][cause] = max(work[stage].get(cause, 0.0), each.hop.work_ms)
    return {
        stage: {"queue": round(queue[stage], 3), "work": round(sum(causes.values()), 3)}
        for stage, causes in work.items()
    }


def intent_as_json(intent: Intent) -> dict[str, Any]:
    """One intent; slots that are absent are left out."""
    told = intent.model_dump(mode="json", exclude_none=True)
    if told.get("slots", {}).get("all") is False:
        del told["slots"]["all"]
    return {key: told[key] for key in ("label", "confidence", "text", "slots", "decided_by")}


def _task(task: TaskCompleted) -> dict[str, Any]:
    return task.outcome.model_dump(mode="json")


def _speech(turn: FollowedTurn, path: str | None) -> dict[str, Any] | None:
    sentences = spoken(turn)
    if not sentences:
        return None
    return {
        "path": path,
        "rate_hz": sentences[0].rate_hz,
        "audio_s": round(sum(sentence.audio_s for sentence in sentences), 3),
    }


def spoken(turn: FollowedTurn) -> list[SpeechReady] | list[ApologySpoken]:
    """The spoken sentences, each once, in the order of the reply; of a turn that failed, the apology."""
    if isinstance(turn.ended, TurnFailed):
        return turn.every(ApologySpoken)[:1]
    return [by for _, by in sorted({ready.index: ready for ready in turn.every(SpeechReady)}.items())]
