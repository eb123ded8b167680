"""A report as one HTML page that holds all it needs: no script, no network, nothing that was said unescaped.

Its policy allows one style sheet, by its hash, and nothing else: whatever might slip into the page could neither run
nor call anybody.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.event_log.reports import report
from pipeline.report import drawing, english, sections
from pipeline.report.asking import Told
from pipeline.report.sections import Grid

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class _Waterfall:
    """One of the slowest turns."""

    title: str
    svg: str
    grid: Grid


def page(told: Told) -> str:
    """The page, whole."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    drawn = drawing.drawn(told)
    return environment.get_template("page.html").render(
        english=english,
        scope=sections.scope_line(told.scope),
        style=style,
        style_hash=f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}",
        overview=report("overview"),
        figures=sections.overview(told),
        parts=sections.parts(told),
        cut_line=sections.cut_line,
        charts={name: drawn.get(name, []) for name in sections.COLUMNS},
        waterfalls=[_waterfall(told, turn) for turn in told.waterfalls],
    )


def _waterfall(told: Told, turn: str) -> _Waterfall:
    spans = told.waterfalls[turn]
    title, svg = drawing.waterfall(told, turn, spans)
    return _Waterfall(title, svg, sections.spans_grid(spans))
