"""Charts as SVG text: the same bytes for the same data, no scripts, letters of the reader's own fonts."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.document import Beside, Forest, Timeline, Trajectory, Word
from analysis.estimate import Estimate, Scale
from analysis.pages import svg, wording
from analysis.pages.languages import ENGLISH, Language
from analysis.texts import Name, Number, Style, Text, text

# Okabe and Ito's colours, told apart by all kinds of eyes; yellow is too pale for lines on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "p")
_WORD_COLOURS = {Word.WORSE: "#D55E00", Word.BREACHED: "#D55E00", Word.NOT_CLEAR: "#555555"}
_WORD_MARKERS = {Word.BETTER: "^", Word.WORSE: "v", Word.NOT_CLEAR: "D", Word.HOLDS: "s", Word.BREACHED: "X"}
_PLAIN = "#0072B2"
_ROOM = 4
"""How many widths of a narrow interval a forest reaches around a value; what goes on from there ends in an arrow."""


class _Mark(NamedTuple):
    """How an estimate is marked, and how thick its interval is drawn."""

    colour: str
    marker: str
    size: float = 8
    thickness: float = 2.4
    filling: str = "full"


_AGAINST = _Mark("#000000", "D", 7.5, 3.2)
"""What the others of a name are held against."""

_FEW = 5
"""Up to so many methods of a name stand well apart."""
_APART, _PAD = 0.4, 1.3
"""The room above the last method of a name, and below it; methods are 1 apart."""
_LONG = 1e6
"""Numbers from this on take the room of two."""
_METHOD = 44
"""So many letters a method's name has."""
_SCREEN = 50
"""So many methods one below the other fill a screen."""

_WIDTH = 7.4
_LETTERS = 86
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "armlift",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.labelcolor": "#333333",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
}


def timeline(data: Timeline, name: str, language: Language = ENGLISH) -> str:
    """Return lines over time, one a series, as SVG; `name` is unique within the page."""
    labels = _labels(data.series, language)
    lines, scale = {"chart.floor": data.floor, "chart.alarm": data.alarm}, 100 if data.is_share else 1
    n_labels = len(labels) + sum(value is not None for value in lines.values())
    columns = _columns(labels, n_labels)
    with _figure(2.7 + 0.24 * -(-n_labels // columns)) as figure:
        axes = figure.subplots()
        for index, (label, values) in enumerate(zip(labels, data.values, strict=True)):
            axes.plot(_places(data.starts), _numbers(values, scale), label=label, **_line(index, len(values)))
        for index, (key, value) in enumerate(lines.items()):
            if value is not None:
                _line_across(axes, scale * value, index, language.say(text(key)))
        _time_axis(axes, data.starts, data.step_s, language)
        if data.alarm is None:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_ticks(Scale.SHARE if data.is_share else Scale.AMOUNT, language))
        _legend(figure, columns)
        return _svg(figure, name, language.say(data.title), language.say(data.caption))


def trajectory(data: Trajectory, name: str, language: Language = ENGLISH) -> str:
    """Return estimates over time with their intervals as bands, and a line across where there is a reference."""
    labels = _labels([band.name for band in data.bands], language)
    columns = _columns(labels, len(labels))
    with _figure(3.0 + 0.24 * -(-len(labels) // columns)) as figure:
        axes = figure.subplots()
        times, scale = _places(data.starts), wording.factor(data.scale)
        for index, (label, band) in enumerate(zip(labels, data.bands, strict=True)):
            low, middle, high = (_numbers(values, scale) for values in (band.low, band.values, band.high))
            style = _line(index, len(times))
            axes.fill_between(times, low, high, color=style["color"], alpha=0.16, linewidth=0)
            axes.plot(times, low, times, high, color=style["color"], linewidth=0.6)
            axes.plot(times, middle, label=label, **style)
        if data.reference is not None:
            axes.axhline(scale * data.reference, color="#000000", linewidth=1)
        _time_axis(axes, data.starts, data.step_s, language)
        axes.yaxis.set_major_formatter(_ticks(data.scale, language))
        axes.set_ylabel(language.say(text(f"chart.{data.scale.value}")))
        _legend(figure, columns)
        return _svg(figure, name, language.say(data.title), language.say(data.caption))


def forest(data: Forest, name: str, language: Language = ENGLISH) -> str:
    """Return estimates with their intervals and, of differences, the line of none, as SVG.

    At least one estimate must have an interval; those without one are left out.
    """
    rows = [row for row in zip(data.names, data.estimates, data.words, strict=True) if row[1].interval is not None]
    scale = rows[0][1].scale
    with _figure(0.95 + 0.42 * len(rows)) as figure:
        axes = figure.subplots()
        span = _span([estimate for _, estimate, _ in rows])
        for place, (_, estimate, word) in enumerate(reversed(rows)):
            _whisker(axes, place, estimate, _Mark(_WORD_COLOURS.get(word, _PLAIN), _WORD_MARKERS.get(word, "o")), span)
        if scale not in (Scale.AMOUNT, Scale.SHARE):
            axes.axvline(0, color="#000000", linewidth=1)
        axes.set_yticks(range(len(rows)), _labels([name for name, _, _ in reversed(rows)], language))
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(_ticks(scale, language))
        axes.set_xlabel(language.say(text(f"chart.{scale.value}")))
        said = "; ".join(language.say(_spoken(*row)) for row in rows)
        return _svg(figure, name, language.say(data.title), said)


def beside(data: Beside, name: str, language: Language = ENGLISH) -> str:
    """Return what several methods say of each name under each other, as SVG; the last method is black and thick.

    At least one estimate must have a value. What says nothing of any name is not in the legend.
    """
    labels, n = _labels(data.series, language, _METHOD), len(data.series)
    named = [label for label, row in zip(labels, data.estimates, strict=True) if any(e.value is not None for e in row)]
    columns, block = _columns(named, len(named)), n + _APART + _PAD
    unit = 0.15 if n <= _FEW else 0.12
    with _figure(0.85 + 0.24 * -(-len(named) // columns) + unit * block * len(data.names)) as figure:
        axes, span = figure.subplots(), _reach(data)
        for index, label in enumerate(labels):
            mark = _mark(index, n)
            for place, estimate in enumerate(data.estimates[index]):
                _whisker(axes, place * block + index + _APART * (mark is _AGAINST), estimate, mark, span)
            if label in named:
                axes.plot([], [], label=label, linewidth=mark.thickness, **_marker(mark))
        _amount_axis(axes, span, language)
        axes.set_xlabel(language.say(data.axis))
        _name_axis(axes, _labels(data.names, language), block)
        _legend(figure, columns, "outside upper center")
        return _svg(figure, name, language.say(data.title), language.say(data.caption))


def _line(index: int, n: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": "-" if index < len(_COLOURS) else "--",
        "markersize": 5.5,
        "markevery": max(1, n // 20),
        "linewidth": 1.7,
    }


def _line_across(axes: Axes, value: float, index: int, label: str) -> None:
    axes.axhline(value, color="#000000", linestyle=(":", "--")[index], linewidth=1.4, label=label)


def _span(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Return from where to where a forest reaches: one that is hardly known must not squeeze the others to points."""
    known = [
        (factor * each.value, *(factor * end for end in each.interval))
        for each in estimates
        if each.value is not None and each.interval is not None and (factor := wording.factor(each.scale))
    ]
    room = _ROOM * sorted(high - low for _, low, high in known)[(len(known) - 1) // 4]
    least = min(max(low, value - room) for value, low, _ in known)
    return least, max(min(high, value + room) for value, _, high in known)


def _reach(data: Beside) -> tuple[float, float]:
    """Return from where to where amounts reach: no further from those of the methods than these differ."""
    *methods, _ = data.estimates
    shown = [0.0, *(each.value for row in methods for each in row if each.value is not None)]
    every = [end for row in data.estimates for each in row for end in (each.value, each.low, each.high)]
    ends = [0.0, *(end for end in every if end is not None)]
    room = (max(shown) - min(shown)) or max(map(abs, ends)) or 1.0
    return max(min(ends), min(shown) - room), min(max(ends), max(shown) + room)


def _whisker(axes: Axes, place: float, estimate: Estimate, mark: _Mark, span: tuple[float, float]) -> None:
    """Draw an estimate; what goes on beyond the span ends in an arrow."""
    if estimate.value is None:
        return
    scale = wording.factor(estimate.scale)
    value = scale * estimate.value
    low, high = (scale * end for end in estimate.interval or (estimate.value,) * 2)
    shown = max(low, span[0]), min(high, span[1])
    if shown[0] < shown[1]:
        axes.plot(shown, [place, place], color=mark.colour, linewidth=mark.thickness, solid_capstyle="butt")
    if span[0] <= value <= span[1]:
        axes.plot(value, place, **_marker(mark))
    for end, is_cut, marker in ((span[0], low < span[0], "<"), (span[1], high > span[1], ">")):
        if is_cut:
            axes.plot(end, place, marker=marker, color=mark.colour, markersize=7)


def _marker(mark: _Mark) -> dict[str, Any]:
    return {"marker": mark.marker, "color": mark.colour, "markersize": mark.size, "fillstyle": mark.filling}


def _mark(index: int, n: int) -> _Mark:
    """Return the mark of a method, the last of which is what the others are held against."""
    if index == n - 1:
        return _AGAINST
    colours, markers = _COLOURS[:-1], [marker for marker in _MARKERS if marker != _AGAINST.marker]
    filling = "full" if index < len(colours) else "none"
    return _Mark(colours[index % len(colours)], markers[index % len(markers)], 5.5, 1.3, filling)


def _amount_axis(axes: Axes, span: tuple[float, float], language: Language) -> None:
    room = 0.03 * (span[1] - span[0]) or 1.0
    axes.set_xlim(span[0] - room, span[1] + room)
    axes.axvline(0, color="#000000", linewidth=1, zorder=1)
    is_long = max(map(abs, span)) >= _LONG
    axes.xaxis.set_major_locator(MaxNLocator(3 if is_long else 6))
    axes.xaxis.set_major_formatter(_ticks(Scale.AMOUNT, language))


def _name_axis(axes: Axes, labels: Sequence[str], block: float) -> None:
    """Name the blocks of methods from the top down; every other one is shaded."""
    edges = [place * block - (1 + _PAD) / 2 for place in range(len(labels) + 1)]
    for top, bottom in zip(edges[1::2], edges[2::2], strict=False):
        axes.axhspan(top, bottom, color="#f4f4f7", zorder=0)
    axes.set_yticks([edge + block / 2 for edge in edges[:-1]], labels)
    axes.set_ylim(edges[-1], edges[0])
    # What is longer than a screen has its numbers above it, too.
    axes.tick_params(axis="x", labeltop=len(labels) * block > _SCREEN)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _spoken(name: Name, estimate: Estimate, word: Word) -> Text:
    return text("chart.spoken", name=name, word=wording.word(word), lift=wording.whole(estimate))


def _labels(names: Sequence[Name], language: Language, width: int = 30) -> list[str]:
    return [wording.short(language.say(name), width) for name in names]


def _numbers(values: Sequence[float | None], scale: int = 1) -> list[float]:
    return [float("nan") if value is None else scale * value for value in values]


def _places(starts: Sequence[str]) -> list[int]:
    return list(range(len(starts)))


def _columns(labels: Sequence[str], n_labels: int) -> int:
    """Return how many columns of names fit beside each other and fill their rows evenly."""
    widest = max(map(wording.width, labels))
    room = min(5, max(1, _LETTERS // (widest + 9)))
    return -(-n_labels // -(-n_labels // room))


def _legend(
    figure: Figure,
    columns: int,
    place: Literal["outside upper center", "outside lower center"] = "outside lower center",
) -> None:
    figure.legend(loc=place, ncols=columns, frameon=False, handlelength=2.4, columnspacing=1.5)


def _time_axis(axes: Axes, starts: Sequence[str], step_s: int, language: Language) -> None:
    n = len(starts)
    places = range(0, n, max(1, -(-n // 6)))
    axes.set_xticks(list(places), [language.number(wording.stretch(starts[place], step_s)) for place in places])
    axes.set_xlim(-0.3, n - 0.7)


def _ticks(scale: Scale, language: Language) -> FuncFormatter:
    """Return how the ticks of an axis are written, whose numbers are scaled already."""
    is_signed = scale in (Scale.DIFFERENCE, Scale.POINTS, Scale.RELATIVE)
    is_percent = scale in (Scale.SHARE, Scale.RELATIVE)

    def tick(number: float, _: int) -> str:
        shown = 0.0 if abs(number) < 1e-12 else number
        digits = f"{shown:.6g}"
        places = None if "e" in digits else len(digits.partition(".")[2])
        if is_percent:
            return language.number(Number(shown / 100, Style.SIGNED_SHARE if is_signed else Style.SHARE, places))
        return language.number(Number(shown, Style.SIGNED if is_signed else Style.AMOUNT, places))

    return FuncFormatter(tick)


@contextmanager
def _figure(height: float) -> Iterator[Figure]:
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's fonts draw the letters; that ours lack some only makes the layout a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return svg.dressed(file.getvalue(), name, title, description)
