"""The report of the log: as a page, and in figures."""

import asyncio
import base64
import hashlib
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime

from pipeline.gateway.auditing import audited
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.refusals import responses
from pipeline.logging_stage import ask_log
from pipeline.report import programs
from pipeline.report.asking import Scope, Told, told
from schemas.errors import InvalidField

router = APIRouter(prefix="/api", tags=["operation"])
Since = Annotated[AwareDatetime | None, Query(description="From here on; from the beginning otherwise.")]
Until = Annotated[AwareDatetime | None, Query(description="Before this time.")]
_OF_ALL: Any = {"dependencies": [audited("read", "report", of_all=True)]}
_EXAMPLE: Final = {"run": "live", "since": None, "until": None, "overview": {"turns": 14, "completed": 13}}
_FIGURES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/json": {"example": _EXAMPLE}}}}
POLICY: Final = "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'"
FRAMES: Final = "; frame-ancestors 'self'"


@router.get(
    "/report",
    summary="The report as a page",
    response_class=HTMLResponse,
    responses=responses(401, 403, 422, 429, 503, 504),
    **_OF_ALL,
)
async def report(given: Given, since: Since = None, until: Until = None) -> HTMLResponse:
    """As `parley report --html` writes it: one page that needs nothing else, and holds what people said."""
    from pipeline.report.page import HERE, page  # the charts' library takes half a second, and is seldom wanted

    answers = await _told(given, since, until)
    style = (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = {"Content-Security-Policy": POLICY.format(digest) + FRAMES}
    return HTMLResponse(await asyncio.to_thread(page, answers), headers=headers)


@router.get(
    "/report.json",
    summary="The report in figures",
    responses={**_FIGURES, **responses(401, 403, 422, 429, 503, 504)},
    **_OF_ALL,
)
async def report_json(given: Given, since: Since = None, until: Until = None) -> dict[str, Any]:
    """As `parley report --json` tells it."""
    return programs.tree(await _told(given, since, until))


async def _told(given: Gateway, since: Since, until: Until) -> Told:
    if since is not None and until is not None and until <= since:
        raise InvalidField("until", until.isoformat(), f"a time after since ({since.isoformat()})")
    settings = given.settings
    scope = Scope(zone=settings.time_zone, since=since, until=until)
    return await told(partial(ask_log, given.bus), scope, settings.prices, settings.currency)
