"""The real embedder and the committed head, loaded once; utterances at a fixed moment."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from infra.embeddings import MiniLm
from schemas.intents import Intent
from stages.intent import IntentGiven, classify, load_head

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 10, 20, tzinfo=BERLIN)  # a Wednesday morning

Understood = Callable[[str], Awaitable[tuple[Intent, ...]]]


@pytest.fixture(scope="session")
def embedder() -> MiniLm:
    return MiniLm()


@pytest.fixture(scope="session")
def given(embedder: MiniLm) -> IntentGiven:
    return IntentGiven(embedder, load_head(embedding_model=embedder.model))


@pytest.fixture
def understood(given: IntentGiven) -> Understood:
    async def understand(text: str) -> tuple[Intent, ...]:
        return await classify(text, NOW, BERLIN.key, given)

    return understand
