"""What is to be known of the model that answers, and whether whoever types is answered at all."""

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from infra.settings import CONTEXTUAL, Settings
from pipeline import engines
from pipeline.gateway.api.looking import Looked
from pipeline.gateway.given import Given
from pipeline.gateway.guarding import Who
from pipeline.gateway.refusals import responses

CHAT_PARTS: Final = ("keeper", "intent", "router", "chat", "reranker")
"""Without one of them nobody is answered in text."""
MINIMAL_MODEL: Final = "rules"

router = APIRouter(prefix="/api/chat", tags=["chat"])


class Model(BaseModel):
    """The model that answers, as configured. What answered a turn stands in that turn."""

    model_name: str
    inference_engine: str
    minimal_mode: bool = Field(description="No model: replies follow rules, tasks are done all the same.")
    fallbacks: list[str] = Field(description="Who answers when it does not, best first.")
    available: bool
    detail: str = Field(description="What it says of itself, or why it does not answer.")
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    candidates: int

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "model_name": "smollm2-135m-instruct",
                    "inference_engine": "llama.cpp",
                    "minimal_mode": False,
                    "fallbacks": ["contextual"],
                    "available": True,
                    "detail": "it answers",
                    "max_tokens": 80,
                    "temperature": 0.2,
                    "top_p": 0.8,
                    "top_k": 40,
                    "repetition_penalty": 1.05,
                    "candidates": 1,
                }
            ]
        }
    }


@router.get(
    "/model-info", summary="Which model answers", responses=responses(401, 429), response_description="The model."
)
async def model_info(given: Given, me: Who) -> Model:
    """Which model and engine are asked for replies, with which sampling, and whether they can be asked now."""
    del me  # whoever is known may ask
    settings = given.settings
    first, *others = _chat_engines(settings) or (CONTEXTUAL,)
    health = await engines.engine_health(settings, first)
    backend, name = _named(settings, first)
    chat = settings.chat
    return Model(
        model_name=name,
        inference_engine=backend,
        minimal_mode=backend == CONTEXTUAL,
        fallbacks=others if first == CONTEXTUAL else [*others, CONTEXTUAL],
        available=health.ok,
        detail=health.reason or "it answers",
        max_tokens=chat.max_tokens,
        temperature=chat.temperature,
        top_p=chat.top_p,
        top_k=chat.top_k,
        repetition_penalty=chat.repetition_penalty,
        candidates=chat.candidates,
    )


def _chat_engines(settings: Settings) -> list[str]:
    """The names of the models that chat asks, best first; none in minimal mode."""
    configs = engines.engine_configs(settings)
    return [name for name in settings.engines_of("chat") if name in configs]


def _named(settings: Settings, engine: str) -> tuple[str, str]:
    """Backend and model of an engine."""
    config = engines.engine_configs(settings).get(engine)
    if config is None:
        return CONTEXTUAL, MINIMAL_MODEL
    return config.backend, config.endpoint.model if config.endpoint else ""


class ChatHealth(BaseModel):
    """Whether somebody who types is answered."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="degraded: answered, by rules instead of the model, or late; unhealthy: not answered."
    )
    minimal_mode: bool
    engine: str
    wrong: list[str]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"status": "healthy", "minimal_mode": True, "engine": "contextual: minimal mode, no model", "wrong": []}
            ]
        }
    }


@router.get("/health", summary="Whether chat answers", responses=responses(401, 429, 503, 504))
async def health(given: Given, looking: Looked, me: Who) -> ChatHealth:
    """Of what answers in text: bus, intake, keeper, intent, router, chat, reranker, engine. For all parts: /health."""
    del me
    found = await looking.seen(given)
    missing = [worker.name for worker in found.workers if worker.name in CHAT_PARTS and not worker.processes]
    wrong = [problem for problem in found.wrong if not _is_of_others(problem)]
    state: Literal["healthy", "degraded", "unhealthy"] = "degraded" if wrong else "healthy"
    if missing or found.intake_closed:
        state = "unhealthy"
    return ChatHealth(
        status=state,
        minimal_mode=not _chat_engines(given.settings),
        engine=found.engine,
        wrong=wrong,
    )


def _is_of_others(problem: str) -> bool:
    """Whether what is wrong has nothing to do with answering in text."""
    return any(name in problem for name in ("stt", "tts", "training_logger"))
