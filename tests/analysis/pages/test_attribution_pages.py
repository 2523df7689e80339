"""Pages about how credit is shared: they run nothing, speak every language, and leave no file where it harms."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

import analysis
from analysis.attribution.journeys import By
from analysis.attribution.rules import by_name
from analysis.document import Attribution, Grid, Report
from analysis.pages import render, spreadsheets
from analysis.pages.languages import CODES
from analysis.texts import text
from engine.errors import InvalidRequest
from tests.analysis import made
from tests.analysis.attribution.shown import EVIL, WHY, attribution, effect, shared

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.links, self.lang, self.text = set(), [], [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "xlink:href") if name in found]
        self.lang = found.get("lang", self.lang)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def whole():
    given = shared((EVIL, "搜索" * 30, "$5 | `a` *b*"))
    return attribution(given, {EVIL: effect(EVIL, 40, 30), "$5 | `a` *b*": WHY}, EVIL)


@pytest.fixture(scope="module", params=CODES)
def page(request, whole):
    return Page(render.attribution_to_html(whole, request.param)), request.param


def test_a_page_runs_and_loads_nothing_and_names_its_language(page):
    found, code = page
    assert found.lang == code
    assert not found.tags & {"script", "link", "img", "iframe", "object"}
    assert all(link.startswith("#") for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert EVIL in "".join(found.text)


def test_every_part_is_on_the_page_and_in_markdown(whole):
    html, markdown = render.attribution_to_html(whole), render.attribution_to_markdown(whole)
    words = " ".join("".join(Page(html).text).split())
    for said in (*(grid.title for grid in whole.grids), *(each.meaning for each in whole.assumptions)):
        assert " ".join(str(said).split()) in words
        assert re.sub(r"([*_])", r"\\\1", str(said)) in markdown
    assert "<script" not in markdown.replace("\\<script", "")


def test_the_same_attribution_gives_the_same_bytes(whole):
    again = Attribution.from_json(whole.to_json())
    assert again == whole
    assert render.attribution_to_html(again, "ru") == render.attribution_to_html(whole, "ru")


def test_what_is_no_attribution_or_of_another_version_is_said(whole):
    with pytest.raises(InvalidRequest, match="this is no attribution"):
        Attribution.from_json("{}")
    with pytest.raises(InvalidRequest, match="version 99, which is not read here"):
        Attribution.from_json(replace(whole, version=99).to_json())


def test_a_notebook_shows_its_tables(whole):
    cell = whole._repr_html_()
    assert cell.count("<details") == len(whole.grids)
    assert "<svg" not in cell


def test_a_table_without_rows_is_no_empty_table(whole):
    empty = replace(whole, grids=tuple(replace(grid, rows=(), chart=None) for grid in whole.grids), left_out=())
    html = render.attribution_to_html(empty)
    assert "<table" not in html
    assert html.count("Nothing.") == sum(not grid.is_folded for grid in whole.grids) + 1


def test_files_have_names_that_harm_nothing_and_the_index_links_them(whole, tmp_path):
    other = replace(whole, outcome="../../order")
    files = [*render.write_attribution(whole, tmp_path), *render.write_attribution(other, tmp_path, "pl")]
    assert len(set(files)) == len(files)
    assert all(file.is_file() and file.is_relative_to(tmp_path / "attribution") for file in files)
    assert {file.suffix for file in files} == {".html", ".md", ".json", ".csv"}
    index = Page(analysis.write_index([made.report()], tmp_path, attributions=[whole, other]).read_text("utf-8"))
    linked = [link for link in index.links if link.startswith("attribution/")]
    assert len(linked) == 2
    assert all((tmp_path / link).is_file() for link in linked)
    assert EVIL in "".join(index.text)


def test_only_the_formats_that_are_named_are_written(whole, tmp_path):
    (file,) = render.write_attribution(whole, tmp_path, formats=["json"])
    assert Attribution.from_json(file.read_text("utf-8")) == whole
    assert list((tmp_path / "attribution").iterdir()) == [file]


def test_tables_are_spreadsheets_with_all_digits(whole):
    sheets = spreadsheets.of_attribution(whole)
    name = spreadsheets.file_name(whole.outcome)
    assert set(sheets) == {f"{name}-{key}.csv" for key in (*(grid.key for grid in whole.grids), "left-out")}
    rows = list(csv.DictReader(io.StringIO(sheets[f"{name}-credit-{By.CHANNEL.value}.csv"], newline="")))
    shown = whole.grids[0].rows
    linear = spreadsheets.slug(str(by_name.rule("linear").title)).replace("-", "_")
    assert [float(row[f"{linear}_low"]) for row in rows] == [row[-1].low for row in shown]
    assert {row["channel"] for row in rows} >= {f"'{EVIL}"}
    assert [float(row["incremental"] or 0) for row in rows].count(40.0) == 1


def test_each_name_has_a_file_of_its_own():
    names = ["order", "Order", "order ", "../order", "名", "", "x" * 200, "x" * 201]
    found = [spreadsheets.file_name(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,70}", each) for each in found)


def test_what_few_readers_need_is_folded_and_still_a_heading_of_its_own_in_markdown(whole):
    folded = [str(grid.title) for grid in whole.grids if grid.is_folded]
    html, markdown = render.attribution_to_html(whole), render.attribution_to_markdown(whole)
    assert re.findall(r"<summary>(.*)</summary>", html) == folded
    assert all(f"## {title}" in markdown for title in folded)


def test_the_first_table_comes_before_what_the_rules_assume(whole):
    for page in (render.attribution_to_html(whole), render.attribution_to_markdown(whole)):
        titles = [str(grid.title) for grid in whole.grids[:2]]
        places = [page.index(said) for said in (titles[0], "What each rule assumes", titles[1])]
        assert places == sorted(places)


def test_every_header_of_a_table_says_what_it_heads(whole):
    html = render.attribution_to_html(whole)
    assert "<th " in html
    assert not re.search(r"<th(?![^>]* scope=)[ >]", html)


def test_the_report_of_an_experiment_links_the_pages_of_its_outcomes(whole, tmp_path):
    report = made.report()
    page, markdown, *_ = analysis.write(report, tmp_path / "hero", attributions=[whole])
    render.write_attribution(whole, tmp_path)
    found = Page(page.read_text("utf-8"))
    (linked,) = [link for link in found.links if not link.startswith("#")]
    assert (page.parent / linked).resolve().is_file()
    assert str(whole.verdict.sentence) in "".join(found.text)
    assert f"]({linked})" in markdown.read_text("utf-8")
    assert "attribution/" not in analysis.to_html(report)


def test_a_report_from_before_tables_could_be_folded_is_read():
    report = made.report()
    decisions = Grid("decisions", text("page.nothing"), (text("page.name"),), (("a",),))
    lines = replace(report, decisions=decisions).to_json().splitlines()
    older = "\n".join(line for line in lines if "is_folded" not in line and "is_dense" not in line)
    older = re.sub(r"(with_methods\": true),(\s*})", r"\1\2", older)
    assert Report.from_json(older) == replace(report, decisions=decisions)


def test_the_chart_is_xml_with_a_title_a_description_and_every_name(whole):
    chart = ET.fromstring(re.search(r"<svg.*?</svg>", render.attribution_to_html(whole), flags=re.DOTALL)[0])
    assert chart.find(f"{SVG}title").text == str(whole.grids[0].title)
    assert chart.find(f"{SVG}desc").text == str(whole.grids[0].chart.caption)
    words = {each.text for each in chart.iter(f"{SVG}text")}
    assert {str(each) for each in whole.grids[0].chart.series} <= words
