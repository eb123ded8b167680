"""How Parley is: every part with what is wrong, the metrics of all processes, and the figures of its turns."""

from collections import defaultdict
from typing import Any, Final, Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from infra.bus.errors import BusUnavailable
from infra.event_log import reports
from infra.tokens import Role
from pipeline.gateway.api.access import Perhaps
from pipeline.gateway.api.listing import RECENT_SQL, TurnListed, listed, wanted
from pipeline.gateway.api.looking import Looked, Seen
from pipeline.gateway.auditing import audited
from pipeline.gateway.given import Given
from pipeline.gateway.guarding import needs
from pipeline.gateway.refusals import responses
from pipeline.logging_stage import ask_log
from pipeline.metrics import gathered
from pipeline.report.rows import rows_of
from pipeline.standing import BEHIND_MUCH, WorkerStanding
from schemas.ids import LIVE_RUN

RECENT: Final = 20
EXPOSITION: Final = "text/plain; version=1.0.0; charset=utf-8"

router = APIRouter(tags=["operation"])


class Part(BaseModel):
    """One part of Parley."""

    ok: bool
    detail: str | None = Field(default=None, description="For the role analytics.")
    processes: int | None = Field(default=None, description="Of a worker.")
    behind: int | None = Field(default=None, description="Events that this worker has not taken yet.")


class Health(BaseModel):
    """All parts, by name."""

    status: Literal["ok", "degraded"]
    parts: dict[str, Part]
    wrong: list[str] = Field(description="What is wrong, and what to do about it; for the role analytics.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "status": "degraded",
                    "parts": {
                        "bus": {"ok": True, "detail": "nats-server 2.15.1"},
                        "chat": {"ok": False, "processes": 0, "behind": 3},
                    },
                    "wrong": ["no chat is running; start one with `parley stage chat`"],
                }
            ]
        }
    }


@router.get(
    "/health",
    summary="Is every part well?",
    responses={**responses(401, 429), 503: {"model": Health, "description": "Something is wrong; the parts say what."}},
)
async def health(given: Given, looking: Looked, me: Perhaps, response: Response) -> Health:
    """Bus, each worker, engine, state, log, disk and intake: 200 when all are well, otherwise 503 with the same body.

    Needs no token; details are told to the role analytics only. Looks at most once a second.
    """
    whole = me is not None and me.has(Role.ANALYTICS)
    response.headers["Cache-Control"] = "no-store"
    try:
        found = told_of(await looking.seen(given))
    except BusUnavailable as error:
        found = Health(status="degraded", parts={"bus": Part(ok=False, detail=str(error))}, wrong=[str(error)])
    response.status_code = 200 if found.status == "ok" else 503
    if whole:
        return found
    parts = {name: part.model_copy(update={"detail": None}) for name, part in found.parts.items()}
    return Health(status=found.status, parts=parts, wrong=[])


def told_of(seen: Seen) -> Health:
    """A look as it is answered."""
    of_kind: defaultdict[str, list[WorkerStanding]] = defaultdict(list)
    for worker in seen.workers:
        of_kind[worker.name].append(worker)  # of gateways each stands for itself
    parts = {
        "bus": Part(ok=True, detail=f"nats-server {seen.bus_version}"),
        "intake": Part(ok=seen.intake_closed is None, detail=seen.intake_closed or "turns are taken in"),
        **{name: _workers(some) for name, some in of_kind.items()},
        "engine": Part(ok=seen.engine_ok, detail=seen.engine),
        "state": Part(ok=seen.state is None, detail=seen.state or "it answers"),
        "log": Part(ok=seen.log is None, detail=seen.log or "it answers"),
        "disk": Part(ok=seen.disk_ok, detail=f"{seen.disk_free_mb} MiB are free"),
    }
    return Health(status="degraded" if seen.wrong else "ok", parts=parts, wrong=list(seen.wrong))


def _workers(some: list[WorkerStanding]) -> Part:
    processes = [process for worker in some for process in worker.processes]
    ready, behind = sum(process.ready for process in processes), sum(worker.behind for worker in some)
    detail = f"{ready} of {len(processes)} ready, {sum(worker.in_hand for worker in some)} events in hand"
    return Part(ok=bool(processes) and behind <= BEHIND_MUCH, detail=detail, processes=len(processes), behind=behind)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={**responses(401, 403, 429, 503), 200: {"description": "The Prometheus text format."}},
    dependencies=[needs(Role.ANALYTICS)],
)
async def metrics(given: Given) -> Response:
    """Of all processes that answer within half a second: handled, retried, dead, in flight, latencies, lag."""
    return Response(await gathered(given.bus, given.clock), media_type=EXPOSITION)


class Stats(BaseModel):
    """All turns in figures, and the newest."""

    totals: dict[str, Any] | None = Field(
        default=None, description="As `parley log stats overview`; null: there were no turns."
    )
    recent: list[TurnListed]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "totals": {"turns": 14, "conversations": 2, "completed": 13, "failed": 1, "p50_ms": 300.0},
                    "recent": [],
                }
            ]
        }
    }


@router.get(
    "/stats",
    summary="Recent turns and totals",
    responses=responses(401, 403, 429, 503, 504),
    dependencies=[audited("read", "stats", of_all=True)],
)
async def stats(given: Given) -> Stats:
    """From the log, of all users: how many turns, how they ended, how long they took, and the 20 newest."""
    overview = reports.report("overview")
    totals = rows_of(await ask_log(given.bus, overview.sql, overview.parameters(run=LIVE_RUN)))
    page = await ask_log(given.bus, RECENT_SQL, wanted(given.settings.tenant, RECENT))
    return Stats(totals=totals[0] if totals else None, recent=listed(page))
