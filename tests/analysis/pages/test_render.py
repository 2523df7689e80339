import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import analysis
from engine.errors import InvalidRequest
from engine.experiments import Brief, Experiment, Variant
from engine.metrics import Metric, MetricKind
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
EVIL = "<script>alert(1)</script>"
NAMES = (
    EVIL,
    "\N{CJK UNIFIED IDEOGRAPH-63A7}\N{CJK UNIFIED IDEOGRAPH-5236}" * 40,
    "x" * 200,
    "$5 off | `a` *b* _c_ &amp;",
    "]]>",
)
NASTY = Experiment(
    "nasty",
    tuple(map(Variant, NAMES)),
    (Metric(f"click {EVIL}", window=DAY), Metric("spend", MetricKind.REVENUE, DAY, cap=9.0)),
    brief=Brief(hypothesis=f'{EVIL} & "quotes" | pipes', channel="<b>app</b>"),
)


@pytest.fixture(scope="module")
def nasty(new_log):
    rng, log = np.random.default_rng(20), new_log(NASTY)
    for i in range(400):
        made = log.assign(f"unit {i}", i / 100)
        if rng.random() < 0.2:
            log.observe(made, f"click {EVIL}", i / 100)
            log.observe(made, "spend", i / 100, 10 * rng.random())
    log.end(8)
    return analysis.report(log.store, "nasty")


@pytest.fixture(scope="module")
def bandit(new_log):
    log = new_log(replace(NASTY, experiment_id="bandit", policy=ThompsonSpec(control_share=0.2)))
    for i in range(200):
        log.assign(f"unit {i}", i / 50)
    log.end(8)
    return analysis.report(log.store, "bandit")


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.links = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href")]


def test_names_are_text_and_the_page_runs_and_loads_nothing(nasty, bandit):
    for report in (nasty, bandit):
        page = Tags(analysis.to_html(report))
        assert not page.tags & {"script", "link", "img", "iframe", "object", "b"}
        assert all(link.startswith("#") for link in page.links)
        assert "url(http" not in analysis.to_html(report)


def test_identifiers_are_unique_within_a_page(nasty, bandit):
    for report in (nasty, bandit):
        ids = Tags(analysis.to_html(report)).ids
        assert len(ids) == len(set(ids))


def test_the_same_report_gives_the_same_bytes(nasty):
    again = analysis.Report.from_json(nasty.to_json())
    assert analysis.to_html(nasty) == analysis.to_html(again)
    assert analysis.to_markdown(nasty) == analysis.to_markdown(again)


def test_every_chart_is_xml_with_a_title_a_description_and_text(nasty):
    charts = re.findall(r"<svg.*?</svg>", analysis.to_html(nasty), flags=re.DOTALL)
    assert len(charts) >= 3
    for chart in charts:
        tree = ET.fromstring(chart)
        name = "{http://www.w3.org/2000/svg}"
        assert tree.find(f"{name}title").text
        assert tree.find(f"{name}desc").text
        assert [element.text for element in tree.iter(f"{name}text") if (element.text or "").strip()]


def test_markdown_escapes_what_would_be_markup(nasty):
    page = analysis.to_markdown(nasty)
    assert "<script" not in page.replace("\\<script", "")
    assert "$5 off" not in page.replace("\\$5 off", "")
    table = [line for line in page.splitlines() if line.startswith("| \\$5 off")]
    header = next(line for line in page.splitlines() if line.startswith("| Name"))
    assert table[0].replace("\\|", "").count("|") == header.count("|")


def test_markdown_tables_have_as_many_cells_in_every_row(nasty, bandit):
    for report in (nasty, bandit):
        for block in analysis.to_markdown(report).split("\n\n"):
            if block.startswith("|"):
                assert len({line.replace("\\|", "").count("|") for line in block.strip().splitlines()}) == 1


def test_files_are_written_and_the_index_links_them(nasty, bandit, tmp_path):
    for report in (nasty, bandit):
        files = analysis.write(report, tmp_path / report.experiment_id)
        assert [file.name for file in files[:3]] == ["report.html", "report.md", "report.json"]
        assert {file.suffix for file in files[3:]} == {".csv"}
        assert all(file.is_file() for file in files)
    page = Tags(analysis.write_index([nasty, bandit], tmp_path).read_text(encoding="utf-8"))
    links = [link for link in page.links if not link.startswith("#")]
    assert links == ["nasty/report.html", "bandit/report.html"]
    assert all((tmp_path / link).is_file() for link in links)


def test_a_directory_that_cannot_be_written_is_said(nasty, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidRequest, match="cannot be written"):
        analysis.write(nasty, tmp_path / "file" / "reports")


def test_a_page_without_rows_has_no_empty_chart(new_log):
    page = analysis.to_html(analysis.report(new_log(NASTY).store, "nasty"))
    assert "<svg" not in page
    assert "Nothing was assigned yet, so there is no chart over time." in page
