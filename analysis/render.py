"""Pages from a report: one file of HTML without scripts, Markdown, and an index over several reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis import plots, wording
from analysis.document import MetricReport, Report, Table, Timeline
from engine.errors import InvalidRequest
from engine.experiments import MetricKind

HTML, MARKDOWN, JSON = "report.html", "report.md", "report.json"
"""The names of a report's files."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def to_html(report: Report) -> str:
    """Return the report as one page that needs no network and runs nothing; the same bytes for the same report."""
    return _environment(is_html=True).get_template("report.html.j2").render(_shown(report)) + "\n"


def to_markdown(report: Report) -> str:
    """Return the report as Markdown, without the charts."""
    return _environment(is_html=False).get_template("report.md.j2").render(_shown(report)) + "\n"


def write(report: Report, directory: str | Path) -> list[Path]:
    """Write report.html, report.md and report.json into a directory, made where needed, and return their paths.

    Raises:
        InvalidRequest: the directory cannot be written.
    """
    pages = {HTML: to_html(report), MARKDOWN: to_markdown(report), JSON: report.to_json()}
    return [_written(Path(directory) / name, text) for name, text in pages.items()]


def write_index(reports: Sequence[Report], directory: str | Path) -> Path:
    """Write index.html, which links the report of each experiment in a folder of its id, and return its path.

    Raises:
        InvalidRequest: the directory cannot be written.
    """
    template = _environment(is_html=True).get_template("index.html.j2")
    return _written(Path(directory) / "index.html", template.render(reports=reports, page=HTML) + "\n")


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidRequest(f"the report cannot be written to {path}: {error.strerror or error}") from error
    return path


def _shown(report: Report) -> dict[str, object]:
    return {"report": report, "period": report.health.period}


@cache
def _environment(*, is_html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis", "templates"),
        # Names are user input: HTML escapes them by itself, Markdown through its filter on everything shown.
        autoescape=is_html,  # noqa: S701 (what the comment above says)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=None if is_html else _plain,
    )
    environment.globals.update(w=wording, marks=wording.MARKS, chart=_timeline, forest=_forest, is_share=_is_share)
    return environment


def _plain(value: object) -> object:
    """Return what Markdown shows of a value: text that it would read as markup is escaped."""
    if isinstance(value, Markup):
        return value
    return _SPECIAL.sub(r"\\\1", str(value)).replace("\n", " ")


def _is_share(metric: MetricReport) -> bool:
    return metric.kind == MetricKind.CONVERSION.value


def _timeline(data: Timeline, name: str) -> Markup:
    # The drawing escapes the names that it shows.
    return Markup(plots.timeline(data, name))  # noqa: S704


def _forest(metric: MetricReport, table: Table, name: str) -> Markup:
    """Return the forest plot of a table, or nothing where no lift has an interval."""
    if not plots.shown_lifts(table):
        return Markup()
    title = f"{metric.name}: differences from {table.baseline}"
    return Markup(plots.forest(table, _is_share(metric), title, name))  # noqa: S704
