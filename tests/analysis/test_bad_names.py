"""Names are user input; and a store may hold experiments of any kind, forgotten units, and a million segments."""

import csv
import io
import re
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import analysis
from analysis.logs.simple_log import simple_log
from analysis.pages import spreadsheets
from analysis.pages.languages import CODES
from engine.experiments import Brief, ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, MetricKind, Role
from engine.records import Erasure, Source, Unit
from engine.specs import ContextualSpec, ThompsonSpec
from tests.analysis.conftest import day

DAY = timedelta(days=1)
CLICK = Metric("click", window=DAY)
TEST = Experiment("hero", (Variant("a"), Variant("b")), (CLICK,))
NAMES = (
    "<script>alert(1)</script>",
    '=cmd|"/c calc"!A1',
    "\N{GRINNING FACE}\N{ZERO WIDTH JOINER}emoji",
    "**bold** [x](y) `c` | p",
    "x" * 200,
    "\N{CJK UNIFIED IDEOGRAPH-5909}" * 200,
    "$x^2$ \\frac{baseline} %s",
    "+1",
    "@sum",
)
PRINTABLE = tuple(name for name in NAMES if name.isprintable())


@pytest.fixture(scope="module")
def named():
    variants = tuple(Variant(name) for name in PRINTABLE)
    metrics = tuple(Metric(name, window=DAY) for name in PRINTABLE[:3])
    context = (ContextField("channel", FieldType.TEXT), ContextField("<f>", FieldType.FLAG))
    brief = Brief(hypothesis="<img onerror=1> **h**", segment="|".join(PRINTABLE))
    rng, n = np.random.default_rng(1), 1500
    log = simple_log(
        Experiment("named", variants, metrics, brief=brief, context=context),
        {"variant": rng.integers(0, len(variants), n), "assigned_at": 20_000 * 86_400_000_000 + np.arange(n) * 10**9},
        {"row": np.flatnonzero(rng.random(n) < 0.3), "metric": metrics[0].name},
        context={"channel": [NAMES[i % len(NAMES)] for i in range(n)], "<f>": (np.arange(n) % 2).astype(float)},
    )
    return analysis.report(log, "named")


@pytest.mark.parametrize("language", CODES)
def test_no_name_is_markup_in_any_language(named, language):
    page, markdown = analysis.to_html(named, language), analysis.to_markdown(named, language)
    assert not re.findall(r"<script|<img onerror|<f>", page)
    assert not re.findall(r"(?<!\\)\*\*bold|\[x\]\(y\)|(?<!\\)<script", markdown)
    assert analysis.Report.from_json(named.to_json()) == named


def test_no_cell_of_a_spreadsheet_is_a_formula(named):
    for sheet in spreadsheets.sheets(named).values():
        cells = [cell for row in csv.reader(io.StringIO(sheet)) for cell in row if cell]
        assert not [cell for cell in cells if cell[0] in "=+@\t" or re.match(r"-[^\d.]", cell)]


def test_a_million_segments_are_as_quick_as_a_few():
    n = 300_000
    rng = np.random.default_rng(2)
    experiment = replace(TEST, context=(ContextField("who", FieldType.TEXT),))
    log = simple_log(
        experiment,
        {"variant": rng.integers(0, 2, n)},
        {"row": np.flatnonzero(rng.random(n) < 0.1)},
        context={"who": [f"customer {i}" for i in range(n)]},
    )
    began = time.perf_counter()
    found = analysis.report(log, "hero")
    assert time.perf_counter() - began < 5
    segments = next(grid for grid in found.metrics[0].grids if grid.key == "segments_who")
    assert len(segments.rows) == 13
    assert "299,988 smaller ones" in str(segments.rows[-1][0])


def test_a_forgotten_unit_stays_counted_and_nothing_of_it_is_known(new_log):
    log = new_log(replace(TEST, context=(ContextField("plan", FieldType.TEXT),)))
    for i in range(60):
        made = log.assign(f"unit {i}", i / 60, context={"plan": "gold"})
        log.observe(made, "click", i / 60)
    log.end(5)
    before = analysis.report(log.store, "hero")
    log.store.append([Erasure(Unit("customer", f"unit {i}"), day(6), "test", "asked") for i in range(20)])
    after = analysis.report(log.store, "hero")
    assert after.verdict == before.verdict
    assert after.health.n_units == 60
    segments = next(grid for grid in after.metrics[0].grids if grid.key == "segments_plan")
    assert [str(row[0]) for row in segments.rows] == ["gold", "not known"]


def test_the_index_holds_experiments_of_every_kind(new_log, tmp_path):
    kinds = (
        TEST,
        replace(TEST, experiment_id="thompson", policy=ThompsonSpec(control_share=0.5)),
        replace(TEST, experiment_id="contextual", policy=ContextualSpec(control_share=0.0)),
        replace(TEST, experiment_id="empty"),
        replace(TEST, experiment_id="watched", metrics=(replace(CLICK, role=Role.GUARDRAIL, margin=0.1),)),
        replace(
            TEST, experiment_id="slow", metrics=(Metric("slow", MetricKind.QUANTILE, DAY, quantile=0.5, of="click"),)
        ),
    )
    reports = []
    for experiment in kinds:
        log = new_log(experiment)
        for i in range(0 if experiment.experiment_id == "empty" else 50):
            made = log.assign(f"unit {i}", i / 50, source=Source.IMPORTED)
            if i % 3:
                log.observe(made, "click", i / 50)
        log.end(5)
        reports.append(analysis.report(log.store, experiment.experiment_id))
    for language in CODES:
        page = analysis.write_index(reports, tmp_path, language).read_text(encoding="utf-8")
        assert all(experiment.experiment_id in page for experiment in kinds)
        assert not re.search(r"\b(nan|None)\b", page)
    assert all("imported" in str(each.verdict.cautions) for each in reports if each.health.n_assignments)
