"""The one place where real things meet the stages: builds what each stage is given, from the settings.

Heavy libraries are imported by the stage that needs them and by no other process.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.blobs.port import BlobStore
from infra.bus.connection import Bus
from infra.clock import Clock
from infra.settings import Settings, SettingsError
from infra.state.port import State
from pipeline.engines import model_of, ranker_of, roles_of

if TYPE_CHECKING:
    from infra.engines.roles import Roles
    from infra.recognisers.port import Recogniser
    from stages.intent import IntentGiven

STATE_FILE = "state.sqlite3"
LOG_FILE = "log.duckdb"
BLOB_FOLDER = "blobs"


def state_path(settings: Settings) -> Path:
    """Where the state lies; whole, since what is told of it is read elsewhere too."""
    return (settings.data_dir / STATE_FILE).absolute()


def log_path(settings: Settings) -> Path:
    """Where the event log lies."""
    return settings.data_dir / LOG_FILE


async def blobs_of(settings: Settings, bus: Bus | None) -> BlobStore:
    """Where sound is kept. Raises SettingsError when it is kept on a bus and there is none."""
    if settings.blobs == "nats":
        if bus is None:
            raise SettingsError("blobs: 'nats' is not allowed; expected files, or a Parley that runs: it holds the bus")
        from infra.blobs.object_store import ObjectStoreBlobs

        return await ObjectStoreBlobs.open(bus.js)
    from infra.blobs.files import FileBlobs

    return FileBlobs(settings.data_dir / BLOB_FOLDER)


def sound_kept(settings: Settings) -> timedelta | None:
    """How long after its turn a recording or a spoken answer is kept; None: for ever."""
    if not settings.audio.keep:
        return timedelta()
    days = settings.audio.keep_days if settings.audio.keep_days is not None else settings.log.keep_days
    return timedelta(days=days) if days is not None else None


@asynccontextmanager
async def given_to(name: str, settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    """What the stage of this name works with, loaded and ready; freed when the block ends."""
    async with _BUILDERS[name](settings, bus, clock) as given:
        yield given


def roles_in(given: Any) -> "Roles | None":
    """The engines that a stage was given; None for a stage that asks none."""
    from infra.engines.roles import Roles

    candidates = (getattr(given, "roles", None), getattr(getattr(given, "doubt", None), "engine", None))
    return next((found for found in candidates if isinstance(found, Roles)), None)


@asynccontextmanager
async def _stt(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del clock
    from infra.audio import AudioLimits
    from infra.recognisers.factory import make_recogniser
    from stages.stt import SttGiven

    stt = settings.stt
    recogniser = make_recogniser(stt.backend, stt.model, beam=stt.beam, threads=stt.threads)
    await recogniser.load()
    try:
        yield SttGiven(await blobs_of(settings, bus), recogniser, AudioLimits(longest_s=stt.longest_s))
    finally:
        await recogniser.aclose()


def partial_recogniser_of(settings: Settings) -> "Callable[[], Recogniser] | None":
    """Makes who tells what is being said while it is being said, in the background; None when nobody shall."""
    from infra.recognisers.factory import make_recogniser

    stt = settings.stt
    if (backend := stt.partials_backend) is None:
        return None
    model = stt.model if backend == stt.backend else None
    return lambda: make_recogniser(backend, model, beam=1, threads=1, background=True)


@asynccontextmanager
async def _tts(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del clock
    from infra.voices.factory import make_voice
    from stages.tts import TtsGiven

    voice = make_voice(settings.tts.backend, settings.tts.model, threads=settings.tts.threads)
    await voice.load()
    try:
        yield TtsGiven(await blobs_of(settings, bus), voice)
    finally:
        await voice.aclose()


@asynccontextmanager
async def _intent(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del bus
    roles = roles_of(settings, clock)
    try:
        given = intent_given(roles, model_of(settings, "intent"), settings.prompts)
        await warmed_up(given, clock)
        yield given
    finally:
        await roles.aclose()


def intent_given(roles: "Roles", engine_model: str | None, own_prompts: Path | None = None) -> "IntentGiven":
    """What the intent stage is given; also without a bus. `engine_model` decides how far the engine is trusted."""
    from infra.embeddings import MiniLm
    from stages.intent import IntentGiven, doubt_with, load_head

    embedder = MiniLm()
    head = load_head(embedding_model=embedder.model)
    return IntentGiven(embedder=embedder, head=head, doubt=doubt_with(roles, engine_model, own_prompts))


async def warmed_up(given: "IntentGiven", clock: Clock) -> None:
    """Classify once, so that no person waits while the library of times reads its tables."""
    from stages.intent import classify

    await classify("remind me tomorrow at three to call mum", clock.now(), "UTC", given)


@asynccontextmanager
async def _router(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del bus
    from stages.router.stage import RouterGiven

    async with opened_state(settings, clock) as state:
        yield RouterGiven(state=state, currency=settings.currency)


@asynccontextmanager
async def opened_state(settings: Settings, clock: Clock) -> AsyncIterator[State]:
    """The state, for router and keeper only."""
    from infra.state.sqlite import open_state

    async with open_state(state_path(settings), clock) as state:
        yield state


@asynccontextmanager
async def _chat(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del bus
    from infra.prompts import Prompts
    from stages.chat import SHELF, ChatGiven, Sampling, ranking_asks

    chat = settings.chat
    sampling = Sampling(
        temperature=chat.temperature,
        top_p=chat.top_p,
        top_k=chat.top_k,
        repetition_penalty=chat.repetition_penalty,
        max_tokens=chat.max_tokens,
        max_sentences=chat.max_sentences,
    )
    roles = roles_of(settings, clock)
    prompts = Prompts(SHELF, settings.prompts)
    ranker = ranker_of(settings, clock, roles, ranking_asks(prompts)) if chat.candidates > 1 else None
    try:
        given = ChatGiven(roles, prompts, sampling, candidates=chat.candidates, rank_within_s=chat.rank_within_s)
        if chat.candidates > 1:
            given = replace(given, choose=_chooser(), relevance=ranker.score if ranker else None)
        yield given
    finally:
        await roles.aclose()
        if ranker is not None:
            await ranker.aclose()


def _chooser() -> Callable[[str, Sequence[str], Sequence[float]], int]:
    """The reranker's choice, so that chat goes on with the candidate that will be chosen."""
    from infra.embeddings import WordLlamaStatic
    from stages.reranker import choose

    embedder = WordLlamaStatic()
    return lambda asked, firsts, relevance: choose(asked, firsts, embedder, relevance)


@asynccontextmanager
async def _reranker(settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Any]:
    del settings, bus, clock
    from infra.embeddings import WordLlamaStatic
    from stages.reranker import RerankerGiven

    yield RerankerGiven(embedder=WordLlamaStatic())


_BUILDERS = {"stt": _stt, "intent": _intent, "router": _router, "chat": _chat, "reranker": _reranker, "tts": _tts}
