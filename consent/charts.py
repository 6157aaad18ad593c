"""Charts: plain data in, SVG text or PNG bytes out. They are drawn on the server by pygal; nothing runs in the browser.

`inline` is a part of a page: its colours are classes of the page's style sheet, for the policy allows no style of its
own, and every column says its values when it is pointed at. `document` stands alone, with its style, title and legend;
`png` is a picture of that. All three keep what they drew last, by the chart itself, so drawing costs once per process.
"""

import base64
import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from xml.etree import ElementTree

import pygal
import resvg_py
from babel.numbers import format_decimal, format_percent
from font_source_sans_pro import font_files_ttf
from pygal.style import Style

# pygal's finder of plug-ins is of a kind that Python asks no more, and complains of at each import that fails.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

KEPT = 256  # charts of each form; the largest is 60 kB of text

# The light colours of static/admin/tokens.css: a picture has no style sheet beside it.
COLOURS = {
    "accept_all": "#17497d", "custom": "#5892d0", "necessary_only": "#94600f", "ignored": "#e9edf1",
    "functional": "#94600f", "analytics": "#17497d", "marketing": "#5892d0", "plain": "#17497d",
}
_INK, _SOFT, _LINE, _EDGE = "#18212b", "#4d5967", "#d9dee5", "#66727f"
_STEPS = (10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100)
_TEXT = 12  # pixels; what a letter of it takes is about half
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Series:
    """One row of numbers: how often, or from 0 to 1 when the chart's unit is "%"; None where there is none."""

    name: str
    values: tuple[float | None, ...]
    look: str  # one of COLOURS


@dataclass(frozen=True)
class Mark:
    """Something that happened in a column: a letter over it, and what it was."""

    at: int
    sign: str
    text: str


@dataclass(frozen=True)
class Chart:
    """Columns with a label each, and in each of them a number of every series: stacked bars, or lines.

    All texts are in `language`; `labels` say what each column is, and short[i] is what stands under it.
    """

    title: str
    labels: tuple[str, ...]
    short: tuple[str, ...]
    series: tuple[Series, ...]
    kind: Literal["bars", "lines"] = "bars"
    unit: Literal["", "%"] = ""
    marks: tuple[Mark, ...] = ()
    language: str = "en"


def said(chart: Chart) -> tuple[str, ...]:
    """Each column in words: what is read out, and what is shown to who points at it."""
    marks: dict[int, list[str]] = {}
    for mark in chart.marks:
        marks.setdefault(mark.at, []).append(mark.text)
    return tuple(
        "; ".join([f"{label}: {_values(chart, at)}", *marks.get(at, ())]) for at, label in enumerate(chart.labels))


def _values(chart: Chart, at: int) -> str:
    return ", ".join(f"{one.name} {_number(chart, one.values[at])}" for one in chart.series)


def _number(chart: Chart, value: float | None) -> str:
    return "–" if value is None else _written(value, chart.unit, chart.language)


@lru_cache(maxsize=10_000)
def _written(value: float, unit: str, language: str) -> str:
    if unit == "%":
        return str(format_percent(value, format="#,##0.#%", locale=language))
    return str(format_decimal(value, locale=language))


# Its forms ------------------------------------------------------------------------------------------------------------

@lru_cache(maxsize=KEPT)
def inline(chart: Chart, name: str, width: int = 1040, height: int = 320) -> str:
    """The chart as a part of a page: an <svg> without style, of this many pixels or in their proportion.

    `name`: of the element that says in words what the chart is (aria-labelledby).
    """
    root = _drawn(chart, width, height, legend=False)
    root.attrib.update({"role": "img", "aria-labelledby": name, "focusable": "false"})
    return _text(root)


@lru_cache(maxsize=KEPT)
def document(chart: Chart, width: int = 960, height: int = 440) -> str:
    """The chart as a file of its own: with its title, its legend and its style, on white."""
    root = _drawn(chart, width, height, legend=True)
    root.attrib.update({"width": str(width), "height": str(height), "role": "img"})
    for text in root.iter("text"):
        if "plot_title" in text.get("class", ""):
            text.set("y", "20")  # clear of the letters of the marks
    title, style = ElementTree.Element("title"), ElementTree.Element("style")
    title.text, style.text = chart.title, STYLE
    root[:0] = [title, style]
    return _text(root)


@lru_cache(maxsize=KEPT)
def png(chart: Chart, width: int = 960, height: int = 440) -> bytes:
    """A picture of `document`, two points for each of its pixels. Its letters come with Poort, not from the machine."""
    return resvg_py.svg_to_bytes(
        svg_string=document(chart, width, height), zoom=2, skip_system_fonts=True, font_family=_FONT,
        sans_serif_family=_FONT,
        font_files=[font_files_ttf[name] for name in ("SourceSansPro", "SourceSansProSemibold")])


_FONT = "Source Sans Pro"
STYLE = (
    f"text{{font:{_TEXT}px '{_FONT}',system-ui,sans-serif;fill:{_SOFT}}}"
    f".titles text{{font-size:18px;font-weight:600;fill:{_INK};text-anchor:middle}}"
    f".legend text,.mark text{{fill:{_INK}}}"
    f".mark text,.axis.x text{{text-anchor:middle}}.axis.y text{{text-anchor:end}}"
    f".background{{fill:#fff}}.guides path{{stroke:{_LINE}}}.axis.x path,.line-none{{stroke:none}}"
    f".mark path{{stroke:{_INK};stroke-dasharray:3 3}}.column{{fill:#fff;fill-opacity:0}}"
    + "".join(f"rect.part-{look},.part-{look} rect,.part-{look} circle{{fill:{colour}}}"
              f".part-{look} .line{{fill:none;stroke:{colour};"
              "stroke-width:2.5}" for look, colour in COLOURS.items())
    + ".part-functional .line{stroke-dasharray:2 4}.part-marketing .line{stroke-dasharray:8 4}"
    + f".part-ignored rect,rect.part-ignored{{stroke:{_EDGE};stroke-width:.5}}"
)


def policy() -> str:
    """The Content-Security-Policy of `document`: its own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; sandbox"


# Drawing --------------------------------------------------------------------------------------------------------------

class _Columns:
    """What both kinds of chart have beside pygal's own: a place to point at for each column, and the marks."""

    chart: Chart

    def _tooltip_data(self, *_: Any, **__: Any) -> None:
        """Nothing: the columns say the values."""

    _static_value = _confidence_interval = _tooltip_and_print_values = _tooltip_data

    def _format(self, *_: Any) -> str:
        """Nothing: as above. With these a chart costs half of what it would."""
        return ""

    def _plot(self) -> None:
        super()._plot()  # type: ignore[misc]  # of pygal's class beside this one
        own: Any = self
        places, width, height = [own.view.x(x) for x in own._x_pos], own.view.width, own.view.height
        slot = places[1] - places[0] if len(places) > 1 else width
        for at, words in enumerate(said(self.chart)):
            column = own.svg.node(
                own.nodes["text_overlay"], "rect", x=places[at] - slot / 2, y=0, width=slot, height=height,
                class_="column")
            own.svg.node(column, "title").text = words
        for mark in self.chart.marks:
            line = own.svg.node(own.nodes["overlay"], class_="mark")
            own.svg.node(line, "path", d=f"M{places[mark.at]:.1f} 0 v{height:.1f}")
            own.svg.node(line, "text", x=places[mark.at], y=-4).text = mark.sign


class _Bars(_Columns, pygal.StackedBar):  # type: ignore[misc]  # pygal has no annotations
    _series_margin = 0.08
    _serie_margin = 0.0


class _Lines(_Columns, pygal.Line):  # type: ignore[misc]  # as above
    pass


def _drawn(chart: Chart, width: int, height: int, *, legend: bool) -> ElementTree.Element:
    top, steps = _axis(chart)
    kind = _Bars if chart.kind == "bars" else _Lines
    drawing: Any = kind(
        width=width, height=height, js=[], no_prefix=True, style=_STYLE, show_legend=legend, legend_at_bottom=True,
        legend_at_bottom_columns=len(chart.series), title=chart.title if legend else None, margin=4,
        margin_top=22 if not legend else 12, spacing=16 if legend and chart.marks else 8, dots_size=2.5,
        range=(0, top), zero=0, truncate_label=-1,
        truncate_legend=-1, show_minor_x_labels=False, allow_interruptions=True,
        value_formatter=lambda value: _number(chart, value))
    drawing.chart = chart
    drawing.y_labels = steps
    drawing.x_labels = [f"#{at}" for at in range(len(chart.labels))]  # pygal tells labels apart by their text
    drawing.x_labels_major = [f"#{at}" for at in range(0, len(chart.labels), _every(chart, width))]
    for one in chart.series:
        drawing.add(one.name, list(one.values))
    return _cleaned(drawing.render_tree(), chart)


_STYLE = Style(label_font_size=_TEXT, major_label_font_size=_TEXT, legend_font_size=_TEXT + 1, title_font_size=18)


def _axis(chart: Chart) -> tuple[float, list[float]]:
    """The top of the axis, and the values with a line."""
    if chart.unit == "%":
        return 1, [0, 0.25, 0.5, 0.75, 1]
    sums = [sum(one.values[at] or 0 for one in chart.series) for at in range(len(chart.labels))]
    largest = max(sums) if chart.kind == "bars" else max(value or 0 for one in chart.series for value in one.values)
    top = ceiling(int(largest))
    return top, [0, top // 2, top] if top > 1 else [0, 1]


def ceiling(largest: int) -> int:
    """The round number at the top of the axis; its half is a whole number too, from 2 on."""
    if largest <= 8:
        return next(number for number in (1, 2, 4, 6, 8) if number >= largest)
    power = int(10 ** max(len(str(largest)) - 2, 0))
    return next(step * power for step in _STEPS if step * power >= largest)


def _every(chart: Chart, width: int) -> int:
    """One of how many columns has room for its label."""
    room = (width - 70) / len(chart.short)
    needed = max(len(text) for text in chart.short) * _TEXT * 0.55 + 10
    return max(1, -int(-needed // room))


def _cleaned(root: ElementTree.Element, chart: Chart) -> ElementTree.Element:
    """Without scripts, styles and what only pygal's own script reads; with our classes and labels."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or _local(child) in ("defs", "desc") or _is_tooltip(child):
                parent.remove(child)
    for element in root.iter():
        _renamed(element, chart)
    for guides in root.iter("g"):
        if guides.get("class") == "guides":
            _labelled(guides, chart)
    root.attrib.pop("id", None)
    title = next((child for child in root if _local(child) == "title"), None)
    if title is not None:
        root.remove(title)
    return root


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).removeprefix(_SVG)


def _is_tooltip(element: ElementTree.Element) -> bool:
    return "tooltip-overlay" in element.get("class", "")


def _renamed(element: ElementTree.Element, chart: Chart) -> None:
    words = element.get("class", "").split()
    kept = [f"part-{chart.series[int(word[6:])].look}" if word.startswith("color-") else word for word in words
            if word not in ("reactive", "tooltip-trigger") and not word.startswith("serie")]
    if words:
        element.set("class", " ".join(kept))
    for name in ("x", "y", "width", "height", "cx", "cy"):
        if name in element.attrib:
            element.set(name, f"{float(element.attrib[name]):.1f}")
    for name in ("rx", "ry", "id", "type"):
        element.attrib.pop(name, None)


def _labelled(guides: ElementTree.Element, chart: Chart) -> None:
    """The label that stands for its number, and no tooltip of the label itself."""
    for child in list(guides):
        if child.tag == "title":
            guides.remove(child)
        elif child.tag == "text" and (child.text or "").startswith("#"):
            child.text = chart.short[int((child.text or "")[1:])]


def _text(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")
