"""The only file that imports pygal: charts as SVG elements that stand within a page.

Of what pygal writes, style and script are left out: the page's own style sheet has the colours (by the classes that
pygal gives), so that a chart follows light and dark, and so that the page can forbid all script. What pygal shows by
script when a value is pointed at is said by <title>, which browsers show by themselves.
"""

from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal
from pygal.etree import etree
from pygal.style import Style

WIDTH: Final = 560  # of the drawing's own units; on a phone some 320 pixels, on which a letter of 18 units has 10
HEIGHT: Final = 320
LABEL_PX: Final = 18  # what the drawing has room for; page.css uses less where there are more pixels
BAR_PX: Final = 34  # of a line in a chart of lines that lie
AROUND_PX: Final = 100  # axis and legend
LABELS_MAX: Final = 6  # along an axis of days
LABEL_CHARS: Final = 22
FEW: Final = 6
_NOT_WANTED: Final = ("script", "style", "defs", "title")
Value = float | None
Series = tuple[str, Sequence[Value]]

etree.to_etree()  # not lxml where that happens to be installed: the same bytes everywhere


def columns(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    kind: str = "",
    *,
    stacked: bool = True,
) -> str:
    """Bars that stand, one stack a label."""
    chart = (pygal.StackedBar if stacked else pygal.Bar)(**_settings(kind, HEIGHT, len(series)))
    _thin_out(chart, labels)
    return _drawn(chart, title, series)


def lines(title: str, labels: Sequence[str], series: Sequence[Series], kind: str = "") -> str:
    """A line a series; None leaves a gap."""
    chart = pygal.Line(
        **_settings(kind, HEIGHT, len(series)), dots_size=2.5, include_x_axis=True, allow_interruptions=True
    )
    _thin_out(chart, labels)
    return _drawn(chart, title, series)


def rows(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    kind: str = "",
    *,
    stacked: bool = True,
    hidden: int = 0,
) -> str:
    """Bars that lie, the first label on top. The first `hidden` series only hold others at their distance."""
    thick = BAR_PX if stacked else BAR_PX + 10
    height = AROUND_PX + thick * max(2, len(labels))
    chart = (pygal.HorizontalStackedBar if stacked else pygal.HorizontalBar)(**_settings(kind, height, len(series)))
    chart.x_labels = [_cut(label) for label in reversed(labels)]
    turned = [(name, list(reversed(values))) for name, values in series]
    return _drawn(chart, title, turned, hidden=hidden)


def _settings(kind: str, height: int, series: int) -> dict[str, Any]:
    style = Style(label_font_size=LABEL_PX, major_label_font_size=LABEL_PX, legend_font_size=LABEL_PX)
    return {
        "style": style,
        "width": WIDTH,
        "height": height,
        "classes": ("chart", kind) if kind else ("chart",),
        "css": (),
        "js": (),
        "no_prefix": True,
        "margin": 6,
        "show_legend": series > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": series if series < 4 else 2,
        "legend_box_size": LABEL_PX,
        "max_scale": 6,
        "truncate_legend": -1,
        "truncate_label": -1,
        "formatter": _number,
        "show_minor_x_labels": True,
    }


def _thin_out(chart: Any, labels: Sequence[str]) -> None:
    step = max(1, -(-len(labels) // LABELS_MAX))
    chart.x_labels = [_cut(label) for label in labels]
    if step > 1:
        chart.x_labels_major = [_cut(label) for label in labels[::step]]
        chart.show_minor_x_labels = False


def _drawn(chart: Any, title: str, series: Sequence[Series], *, hidden: int = 0) -> str:
    for name, values in series:
        chart.add(name, list(values))
    highest = max(sum(value or 0 for value in stack) for stack in zip(*(values for _, values in series), strict=True))
    if highest <= FEW and all(value == int(value) for _, values in series for value in values if value is not None):
        chart.y_labels = list(range(int(highest) + 1))  # a count has no halves
    root: Element = chart.render_tree()
    _strip(root)
    for place, (name, _) in enumerate(series):
        for group in _of_class(root, f"serie-{place}"):
            _say(group, name)
    for legend in _of_class(root, "legend")[:hidden]:
        legend.clear()
    for name in [name for name in root.attrib if name.startswith("xmlns") or name == "id"]:
        del root.attrib[name]
    root.set("role", "img")
    root.set("aria-label", title)
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _of_class(root: Element, name: str) -> list[Element]:
    return [each for each in root.iter("g") if name in each.get("class", "").split()]


def _strip(root: Element) -> None:
    """Take out style, script, comments and titles of pygal's own, and ids, which would come again in each chart."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag in _NOT_WANTED or _is_tooltip(child):
                parent.remove(child)
        parent.attrib.pop("style", None)
        if parent.tag == "g":
            parent.attrib.pop("id", None)


def _is_tooltip(element: Element) -> bool:
    return "tooltip-overlay" in element.get("class", "").split()


def _say(group: Element, name: str) -> None:
    """Give each value of a series the words that a browser shows when it is pointed at."""
    for holder in list(group.iter("g")):
        found = holder.findall("desc")
        told = {each.get("class"): each.text for each in found}
        for each in found:
            holder.remove(each)
        if told.get("value"):
            words = ElementTree.SubElement(holder, "title")
            words.text = f"{told.get('x_label') or ''}: {name} {told['value']}".removeprefix(": ")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.1f}".removesuffix(".0")


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else f"{label[: LABEL_CHARS - 1]}…"
