"""Pages from a report, or a part of one: HTML without scripts, Markdown, and an index over several reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.document import Attribution, Beside, Candidate, Forest, Report, Timeline, Trajectory
from analysis.pages import charts, languages, overview, plots, spreadsheets, wording
from analysis.pages.languages import Language
from analysis.texts import Number, Text, amount, count, text
from engine.errors import InvalidRequest

HTML, MARKDOWN, JSON, CSV = "report.html", "report.md", "report.json", "csv"
"""The names of a report's files, and of the folder of its tables."""

ATTRIBUTION = "attribution"
"""The folder of the pages about how credit is shared, one an outcome."""

FORMATS = ("html", "md", "json", CSV)
"""What they are written as."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def to_html(report: Report, language: str = "en", attributions: Sequence[Attribution] = ()) -> str:
    """Return the report as one page that needs no network and runs nothing; the same bytes for the same report.

    It links what `write_attribution` writes of some `attributions` into the directory above the report's.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("report.html.j2", language, is_html=True, report=report, credit=_linked(attributions, "../"))


def to_markdown(report: Report, language: str = "en", attributions: Sequence[Attribution] = ()) -> str:
    """Return the report as Markdown, without the charts, with the links of `to_html`.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("report.md.j2", language, is_html=False, report=report, credit=_linked(attributions, "../"))


def candidate_to_html(candidate: Candidate, language: str = "en") -> str:
    """Return a part of a report as a page by itself, as `to_html` does.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("candidate.html.j2", language, is_html=True, candidate=candidate)


def candidate_to_cell(candidate: Candidate, language: str = "en") -> str:
    """Return a part of a report as what a notebook shows of it: small tables without charts, the first one open.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("cell.html.j2", language, is_html=True, verdict=candidate.verdict, grids=candidate.grids)


def attribution_to_html(attribution: Attribution, language: str = "en") -> str:
    """Return how the credit for an outcome is shared as a page, as `to_html` does.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("attribution.html.j2", language, is_html=True, attribution=attribution)


def attribution_to_markdown(attribution: Attribution, language: str = "en") -> str:
    """Return how the credit for an outcome is shared as Markdown, without the charts.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("attribution.md.j2", language, is_html=False, attribution=attribution)


def attribution_to_cell(attribution: Attribution, language: str = "en") -> str:
    """Return how the credit for an outcome is shared as what a notebook shows of it: its tables, the first one open.

    Raises:
        InvalidRequest: there is no such language.
    """
    return _page("cell.html.j2", language, is_html=True, verdict=attribution.verdict, grids=attribution.grids)


def write(
    report: Report, directory: str | Path, language: str = "en", attributions: Sequence[Attribution] = ()
) -> list[Path]:
    """Write report.html, report.md, report.json and csv/ into a directory, made where needed; return their paths.

    The pages have the links of `to_html`.

    Raises:
        InvalidRequest: the directory cannot be written, or there is no such language.
    """
    html, markdown = (make(report, language, attributions) for make in (to_html, to_markdown))
    pages = {HTML: html, MARKDOWN: markdown, JSON: report.to_json()}
    return [
        *(written(Path(directory) / name, page) for name, page in pages.items()),
        *_written_sheets(directory, spreadsheets.sheets(report)),
    ]


def write_attribution(
    attribution: Attribution, directory: str | Path, language: str = "en", formats: Collection[str] = FORMATS
) -> list[Path]:
    """Write attribution/OUTCOME.html, .md and .json into a directory, and csv/ beside them; return their paths.

    Where some `formats` are named, only those are written.

    Raises:
        InvalidRequest: the directory cannot be written, or there is no such language.
    """
    folder, name = Path(directory) / ATTRIBUTION, spreadsheets.file_name(attribution.outcome)
    pages: dict[str, Callable[[], str]] = {
        "html": partial(attribution_to_html, attribution, language),
        "md": partial(attribution_to_markdown, attribution, language),
        "json": attribution.to_json,
    }
    return [
        *(written(folder / f"{name}.{ending}", page()) for ending, page in pages.items() if ending in formats),
        *(_written_sheets(folder, spreadsheets.of_attribution(attribution)) if CSV in formats else ()),
    ]


def write_index(
    reports: Sequence[Report],
    directory: str | Path,
    language: str = "en",
    attributions: Sequence[Attribution] = (),
) -> Path:
    """Write index.html over all experiments, and its tables into csv/; return the path of the page.

    It links the report of each experiment in a folder of its id, and what `write_attribution` writes.

    Raises:
        InvalidRequest: the directory cannot be written, or there is no such language.
    """
    grids = [overview.ran(reports), overview.concluded(reports), overview.lifts(reports)]
    credit, concluded = _linked(attributions), overview.last_conclusion
    shown = {"reports": reports, "grids": grids, "page": HTML, "concluded": concluded, "credit": credit}
    _written_sheets(directory, spreadsheets.of_grids(grids))
    return written(Path(directory) / "index.html", _page("index.html.j2", language, is_html=True, **shown))


def _linked(attributions: Sequence[Attribution], up: str = "") -> list[tuple[str, Attribution]]:
    """Return attributions with the links of their pages, from a page that has their folder in itself or `up`."""
    return [(f"{up}{ATTRIBUTION}/{spreadsheets.file_name(each.outcome)}.html", each) for each in attributions]


def _written_sheets(directory: str | Path, sheets: Mapping[str, str]) -> list[Path]:
    return [written(Path(directory) / CSV / name, sheet) for name, sheet in sheets.items()]


def written(path: Path, page: str, what: str = "report") -> Path:
    """Write a page, or anything else that is text, into a directory that is made where needed; return its path.

    Raises:
        InvalidRequest: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page.encode())
    except OSError as error:
        raise InvalidRequest(f"the {what} cannot be written to {path}: {error.strerror or error}") from error
    return path


def _page(template: str, language: str, *, is_html: bool, **shown: object) -> str:
    return _environment(languages.load(language), is_html=is_html).get_template(template).render(shown) + "\n"


@cache
def _environment(language: Language, *, is_html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis.pages", "templates"),
        # Names are user input: HTML escapes them by itself, Markdown through `finalize`, on everything shown.
        autoescape=is_html,  # noqa: S701 (what the comment above says)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken(_saying(language)) if is_html else _plainly(_saying(language)),
    )
    environment.globals.update(
        w=wording,
        t=text,
        n=count,
        amount=amount,
        say=language.say,
        lang=language.code,
        charts=charts,
        draw=_drawing(language),
    )
    return environment


def _saying(language: Language) -> Callable[[object], object]:
    """Return what shows words and numbers in a language."""

    def say(value: object) -> object:
        return language.say(value) if isinstance(value, Text | Number | tuple) else value

    return say


def _unbroken(say: Callable[[object], object]) -> Callable[[object], object]:
    """Return what HTML shows of a value: no line ends before a percent sign."""

    def join(value: object) -> object:
        said = say(value)
        return said.replace(" %", "\N{NO-BREAK SPACE}%") if said is not value and isinstance(said, str) else said

    return join


def _plainly(say: Callable[[object], object]) -> Callable[[object], object]:
    """Return what Markdown shows of a value: text that it would read as markup is escaped."""

    def escape(value: object) -> object:
        if isinstance(value, Markup):
            return value
        return _SPECIAL.sub(r"\\\1", str(say(value))).replace("\n", " ")

    return escape


def _drawing(language: Language) -> Callable[[Timeline | charts.Chart, str], Markup]:
    def draw(chart: Timeline | charts.Chart, name: str) -> Markup:
        # The drawing escapes the names that it shows.
        return Markup(_drawn(chart, name, language))  # noqa: S704 (as above)

    return draw


def _drawn(chart: Timeline | charts.Chart, name: str, language: Language) -> str:
    match chart:
        case Timeline():
            return plots.timeline(chart, name, language)
        case Trajectory():
            return plots.trajectory(chart, name, language)
        case Forest():
            return plots.forest(chart, name, language)
        case Beside():
            return plots.beside(chart, name, language)
