"""Draws what was measured, side by side: one line or bar a backend. The only place that knows matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")  # no window

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

_COLOURS: Final = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e6c8a", "#c98a1b", "#555555")  # told apart by most eyes
_MARKS: Final = ("o", "s", "^", "D", "v", "P")
_DPI: Final = 110
_PANEL_INCHES: Final = (4.6, 3.9)


@dataclass(frozen=True, slots=True)
class Lines:
    """A panel: for each name, values over the same places; `bands` may give (low, high) beside them."""

    title: str
    x: str
    y: str
    over: Sequence[float]
    values: Mapping[str, Sequence[float]]
    bands: Mapping[str, Sequence[tuple[float, float]]] | None = None
    log_x: bool = False
    log_y: bool = False
    top: float | None = None  # of y


@dataclass(frozen=True, slots=True)
class Bars:
    """A panel: for each name, one value a group; values from 0 to 1 are shares."""

    title: str
    groups: Sequence[str]
    values: Mapping[str, Sequence[float]]


Panel = Lines | Bars


def drawn(file: Path, panels: Sequence[Panel], note: str) -> Path:
    """Write the panels beside one another as a PNG, with a note of how they were made; gives the file."""
    width, height = _PANEL_INCHES
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(width * len(panels), height), squeeze=False, layout="constrained"
    )
    for axis, panel in zip(axes[0], panels, strict=True):
        axis.set_title(panel.title, fontsize=11)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9)
        if isinstance(panel, Lines):
            _lines(axis, panel)
        else:
            _bars(axis, panel)
    figure.supxlabel(note, fontsize=8, color="#555555")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI)
    pyplot.close(figure)
    return file


def _lines(axis: Axes, panel: Lines) -> None:
    for place, (name, values) in enumerate(panel.values.items()):
        colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
        axis.plot(panel.over, values, marker=mark, markersize=4, linewidth=1.3, color=colour, label=name)
        if panel.bands and (band := panel.bands.get(name)):
            low, high = [each[0] for each in band], [each[1] for each in band]
            axis.fill_between(panel.over, low, high, color=colour, alpha=0.15, linewidth=0)
    if panel.log_x:
        axis.set_xscale("log", base=2)
        axis.set_xticks(list(panel.over), [f"{value:g}" for value in panel.over])
        axis.xaxis.set_minor_formatter(NullFormatter())
    if panel.log_y:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
    else:
        banded = (band[1] for bands in (panel.bands or {}).values() for band in bands)
        highest = max((*banded, *(value for values in panel.values.values() for value in values)), default=1.0)
        axis.set_ylim(bottom=0, top=panel.top or 1.12 * highest)
    axis.set_xlabel(panel.x, fontsize=9)
    axis.set_ylabel(panel.y, fontsize=9)
    axis.grid(alpha=0.25)
    _legend(axis, len(panel.values), -0.2)


def _bars(axis: Axes, panel: Bars) -> None:
    height = 0.8 / max(1, len(panel.values))
    for place, (name, values) in enumerate(panel.values.items()):
        at = [group + (place - (len(panel.values) - 1) / 2) * height for group in range(len(panel.groups))]
        bars = axis.barh(at, values, height * 0.92, color=_COLOURS[place % len(_COLOURS)], label=name)
        axis.bar_label(bars, [f"{value:.2f}" for value in values], fontsize=8, padding=2)
    axis.set_yticks(range(len(panel.groups)), panel.groups)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.15)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
    _legend(axis, len(panel.values), -0.08)


def _legend(axis: Axes, names: int, below: float) -> None:
    """Under the panel, where it hides nothing."""
    axis.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, below), ncols=2 if names > 3 else 3)
