"""Charts as SVG text: the same bytes for the same data, no scripts, letters of the reader's own fonts."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis import wording
from analysis.document import Row, Table, Timeline, Word

# Okabe and Ito's colours, told apart by all kinds of eyes; yellow is too pale for lines on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "p")
_WORD_COLOURS = {Word.BETTER: "#0072B2", Word.WORSE: "#D55E00", Word.NOT_CLEAR: "#555555"}
_WORD_MARKERS = {Word.BETTER: "^", Word.WORSE: "v", Word.NOT_CLEAR: "D"}
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


def timeline(data: Timeline, name: str) -> str:
    """Return lines over time, one a series, as SVG; `name` is unique within the page."""
    columns = _columns(data)
    with _figure(2.7 + 0.24 * -(-(len(data.series) + 1) // columns)) as figure:
        axes = figure.subplots()
        for index, (series, values) in enumerate(zip(data.series, data.values, strict=True)):
            numbers = [float("nan") if value is None else value for value in values]
            axes.plot(range(len(numbers)), numbers, label=wording.short(series), **_line(index, len(numbers)))
        if data.floor is not None:
            axes.axhline(data.floor, color="#000000", linestyle=":", linewidth=1.4, label="floor")
        _time_axis(axes, data)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(_share_tick if data.is_share else _count_tick))
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, handlelength=2.4, columnspacing=1.5)
        return _svg(figure, name, data.title, data.caption)


def forest(table: Table, is_conversion: bool, title: str, name: str) -> str:
    """Return the lifts of a table with their intervals and the line of no difference, as SVG.

    The table must have at least one row with a lift that has an interval.
    """
    rows = shown_lifts(table)
    with _figure(0.95 + 0.42 * len(rows)) as figure:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            _lift(axes, len(rows) - 1 - place, row, 100 if is_conversion else 1)
        axes.axvline(0, color="#000000", linewidth=1)
        axes.set_yticks(range(len(rows)), [wording.short(row.name) for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(7))
        axes.xaxis.set_major_formatter(FuncFormatter(_signed_tick))
        unit = "percentage points" if is_conversion else "per one of those counted"
        axes.set_xlabel(f"difference from {wording.short(table.baseline)} ({unit})")
        return _svg(figure, name, title, "; ".join(_spoken(row, is_conversion) for row in rows))


def shown_lifts(table: Table) -> tuple[Row, ...]:
    """Return the rows that a forest plot has."""
    return tuple(row for row in table.rows if row.absolute is not None and row.absolute.interval is not None)


def _line(index: int, n: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": "-" if index < len(_COLOURS) else "--",
        "markersize": 5.5,
        "markevery": max(1, n // 20),
        "linewidth": 1.7,
    }


def _lift(axes: Axes, place: int, row: Row, scale: int) -> None:
    if row.absolute is None or row.absolute.value is None or row.absolute.interval is None:
        return
    low, high = (scale * end for end in row.absolute.interval)
    colour = _WORD_COLOURS[row.word]
    axes.plot([low, high], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt")
    axes.plot(scale * row.absolute.value, place, marker=_WORD_MARKERS[row.word], color=colour, markersize=8)


def _spoken(row: Row, is_conversion: bool) -> str:
    return f"{row.name}: {row.word.value}" + (
        f", {wording.lift(row.absolute, is_conversion)}" if row.absolute is not None else ""
    )


def _columns(data: Timeline) -> int:
    """Return how many columns of names fit beside each other and fill their rows evenly."""
    widest = max(wording.width(wording.short(name)) for name in data.series)
    room = min(5, max(1, _LETTERS // (widest + 9)))
    n_names = len(data.series) + (data.floor is not None)
    return -(-n_names // -(-n_names // room))


def _time_axis(axes: Axes, data: Timeline) -> None:
    n = len(data.starts)
    places = range(0, n, max(1, -(-n // 6)))
    axes.set_xticks(list(places), [wording.stretch(data.starts[place], data.step_s) for place in places])
    axes.set_xlim(-0.3, n - 0.7)


def _share_tick(number: float, _: int) -> str:
    return f"{100 * number:g} %"


def _count_tick(number: float, _: int) -> str:
    return f"{number:,.0f}" if number == int(number) else ""


def _signed_tick(number: float, _: int) -> str:
    return "0" if abs(number) < 1e-12 else f"{number:+,g}".replace("-", "\N{MINUS SIGN}")


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
    drawn = file.getvalue()
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
    box = re.search(r'viewBox="([^"]*)"', drawn)
    assert box is not None
    return _head(name, box.group(1), title, description) + _own_ids(_without_metadata(body), name)


def _head(name: str, box: str, title: str, description: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-desc">{escape(description)}</desc>'
    )


def _without_metadata(body: str) -> str:
    return re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)


def _own_ids(body: str, name: str) -> str:
    """Several charts share a page, so each needs identifiers of its own."""
    return re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
