"""Pages of a made-up report that has every part: tables, charts, grids, spreadsheets and the index over several."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

import analysis
from analysis.document import Forest, Grid, Word
from analysis.pages import overview, plots, spreadsheets
from analysis.pages.languages import CODES
from analysis.texts import text
from tests.analysis import made

SVG = "{http://www.w3.org/2000/svg}"
WORDS = (Word.BETTER, Word.WORSE, Word.NOT_CLEAR)


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.lang, self.text = [], [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.lang = dict(attrs).get("lang", self.lang)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module", params=CODES)
def page(request):
    return analysis.to_html(made.report(), request.param), request.param


def test_a_page_of_any_language_runs_nothing_and_names_its_language(page):
    found = Page(page[0])
    assert found.lang == page[1]
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert len(found.ids) == len(set(found.ids))
    assert made.EVIL in "".join(found.text)


def test_every_chart_is_xml_with_a_title_a_description_and_letters(page):
    charts = re.findall(r"<svg.*?</svg>", page[0], flags=re.DOTALL)
    assert len(charts) == 10
    for chart in charts:
        tree = ET.fromstring(chart)
        assert tree.find(f"{SVG}title").text
        assert tree.find(f"{SVG}desc").text
        assert [each.text for each in tree.iter(f"{SVG}text") if each.text and each.text.strip()]


@pytest.mark.parametrize("language", CODES)
def test_the_same_report_gives_the_same_bytes(language):
    again = analysis.Report.from_json(made.report().to_json())
    assert again == made.report()
    assert analysis.to_html(again, language) == analysis.to_html(made.report(), language)
    assert analysis.to_markdown(again, language) == analysis.to_markdown(made.report(), language)


def test_a_variant_called_better_is_no_word_after_the_json():
    rows = analysis.Report.from_json(made.report().to_json()).decisions.rows
    assert rows[1][0] == "better"
    assert rows[0][3] is Word.BETTER


def test_the_page_opens_with_the_verdict_and_one_chart():
    page = analysis.to_html(made.report())
    opening = page[page.index('class="verdict') : page.index("<section")]
    assert opening.count("<svg") == 1
    assert 'id="opening-title"' in opening
    forest = analysis.to_html(made.report(metrics=(replace(made.report().metrics[0], over_time=None),)))
    assert forest.count('id="opening-title"') == 1
    assert "chart.forest" not in forest


def test_a_sequence_that_was_silent_all_the_time_is_no_empty_chart():
    metric = made.report().metrics[0]
    silent = replace(
        metric.over_time, bands=tuple(replace(band, values=(None,) * made.DAYS) for band in metric.over_time.bands)
    )
    page = analysis.to_html(made.report(metrics=(replace(metric, over_time=silent),)))
    assert 'id="time-1-title"' not in page
    assert page.count('id="opening-title"') == 1


def test_an_interval_that_says_nothing_does_not_squeeze_the_others():
    wide = replace(made.difference(0.0), low=-90.0, high=90.0)
    forest = Forest(text("page.name"), ("a", "b", "c"), (made.difference(0.01), made.difference(0.02), wide), WORDS)
    chart = ET.fromstring(plots.forest(forest, "forest"))
    ticks = [
        each.text for each in chart.iter(f"{SVG}text") if re.fullmatch(r"[+\N{MINUS SIGN}]?\d+\.?\d*", each.text or "")
    ]
    assert max(abs(float(tick.replace("\N{MINUS SIGN}", "-"))) for tick in ticks) < 20


def test_markdown_tables_have_as_many_cells_in_every_row():
    for block in analysis.to_markdown(made.report()).split("\n\n"):
        if block.strip().startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.strip().splitlines()}) == 1


def read(sheet):
    assert "\r\n" in sheet
    return list(csv.DictReader(io.StringIO(sheet, newline="")))


def test_every_table_is_a_spreadsheet_with_all_digits():
    sheets = spreadsheets.sheets(made.report())
    assert set(sheets) == {
        "left-out.csv",
        "check-1.csv",
        "health-segments.csv",
        "evidence-1.csv",
        "metric-1-order-variants.csv",
        "metric-1-order-segments.csv",
        "metric-1-order-over-time.csv",
        "decisions.csv",
        "candidate-1-segments.csv",
        "section-1-segments.csv",
        "traffic.csv",
        "allocation.csv",
    }
    rows = read(sheets["metric-1-order-variants.csv"])
    assert [row["word"] for row in rows] == ["baseline", "better", "not clear"]
    assert [float(rows[1][key]) for key in ("value", "difference_low", "anytime_high")] == [
        0.13,
        made.ROWS[1].absolute.low,
        made.ROWS[1].anytime.high,
    ]
    assert rows[0]["difference"] == ""
    assert [row["value"] for row in read(sheets["traffic.csv"])[:4]] == ["0.0", "", "1.0", "1.0"]
    assert len(read(sheets["metric-1-order-over-time.csv"])) == 2 * made.DAYS


def test_a_grids_cells_are_raw_and_its_estimates_have_columns():
    rows = read(spreadsheets.sheets(made.report())["decisions.csv"])
    assert [row["units"] for row in rows] == ["12000", "3", ""]
    assert float(rows[0]["difference_high"]) == made.difference(0.02).high
    assert [row["difference_note"] for row in rows] == ["", "nobody is in it", "the policy group"]
    assert rows[2]["name"] == "2026-03-02T00:00:00+00:00"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", "\t=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1", "\r=1"])
def test_names_are_no_formulas_and_numbers_stay_numbers(name):
    grid = Grid("g", text("page.name"), (text("page.name"), text("page.value")), ((name, made.count(-3)),))
    (row,) = read(spreadsheets.of_grids([grid])["g.csv"])
    assert row == {"name": f"'{name}", "value": "-3"}


def test_columns_of_one_name_are_told_apart():
    name = text("page.name")
    grid = Grid("g", name, (name, name), (("a", "b"),))
    assert read(spreadsheets.of_grids([grid])["g.csv"]) == [{"name": "a", "name_2": "b"}]


def test_the_index_says_what_ran_what_was_decided_and_why_it_ended(tmp_path):
    second = made.report(experiment_id="second", history=(), status="running")
    index = analysis.write_index([made.report(), second], tmp_path)
    page = Page(index.read_text(encoding="utf-8"))
    words = " ".join(page.text)
    assert "script" not in page.tags
    assert f"Concluded on 2026-03-21 by {made.EVIL}: {made.EVIL}" in words
    assert "The total effect is not evaluable" in words
    assert sorted(each.name for each in (tmp_path / "csv").iterdir()) == [
        "concluded.csv",
        "experiments.csv",
        "lifts.csv",
    ]


def test_lifts_are_shrunk_where_there_are_enough_and_never_added_up():
    reports = [made.report(experiment_id=f"e{i}") for i in range(3)]
    grid = overview.lifts(reports)
    assert len(grid.rows) == 6
    measured = [row[3].value for row in grid.rows]
    shrunk = [row[4].value for row in grid.rows]
    mean = sum(measured) / 6
    assert all(abs(after - mean) < abs(before - mean) for before, after in zip(measured, shrunk, strict=True))
    few = overview.lifts([made.report()])
    assert [row[4] for row in few.rows] == [None, None]
    assert "at least 4" in str(few.note)


def test_where_lower_is_better_a_lift_is_shrunk_with_its_sign_turned():
    lower = replace(made.report().metrics[0], better=analysis.document.Better.LOWER)
    grid = overview.lifts([made.report(experiment_id=f"e{i}", metrics=(lower,)) for i in range(3)])
    same = overview.lifts([made.report(experiment_id=f"e{i}") for i in range(3)])
    assert [row[4].value for row in grid.rows] == pytest.approx([row[4].value for row in same.rows])


def test_a_failed_check_takes_an_experiments_lifts_out():
    health = replace(made.report().health, checks=(replace(made.CHECK, holds=False),))
    assert overview.lifts([made.report(health=health)]).rows == ()


def test_an_index_over_nothing_says_so(tmp_path):
    assert "0 experiments" in analysis.write_index([], tmp_path).read_text(encoding="utf-8")
