"""benchmarks/coverage.py at a small size, and the rules by which it judges."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
CELLS = (
    "conversion 90/10",
    "capped revenue 90/10",
    "ratio",
    "repeating",
    "epochs",
    "Thompson, rates of 10 %",
    "groups",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Run some cells with so few logs that only a gross fault is seen: the rules know how few they are."""
    out = tmp_path_factory.mktemp("coverage") / "found.json"
    sizes = ["--runs", "30", "--look-runs", "1", "--lost-runs", "0", "--processes", "2", "--seed", "3"]
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / "coverage.py"), *sizes, "--out", str(out), "--cells", *CELLS],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return run, json.loads(out.read_text())


def test_the_rules_hold_at_a_small_size(small):
    run, found = small
    assert run.returncode == 0, run.stdout + run.stderr
    assert {each["name"] for each in found["once"]} == {each["name"] for each in found["often"]}
    assert len(found["once"]) == 8
    assert not any(each["why"] for each in (*found["once"], *found["often"], *found["ratio"]))


def test_the_report_chooses_the_estimator(small):
    _, found = small
    once = {each["name"]: each["estimator"] for each in found["once"]}
    assert once["conversion 90/10"] == "Newcomb"
    assert once["ratio: orders per session"] == "delta method for a ratio"
    assert once["repeating units"].startswith("difference of means, cluster-robust")
    assert once["epochs with other splits"].startswith("MOVER")
    assert once["Thompson, rates of 10 %"].startswith("AIPW")


def test_the_truth_tells_good_intervals_from_naive_ones(small):
    _, found = small
    epochs = next(each for each in found["once"] if each["name"].startswith("epochs"))
    assert epochs["coverage"] > 0.8
    assert epochs["naive_coverage"] < 0.2


def test_the_table_fits_a_page(small):
    run, _ = small
    assert max(map(len, run.stdout.splitlines())) <= 110


@pytest.fixture
def judging(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("covering.judging")


def runs(judging, n, misses=0, n_looks=1, n_evaluable=None, n_allowed=None):
    """Return n runs of which some miss, each evaluable and allowed at so many of its looks."""
    said = n_looks if n_evaluable is None else n_evaluable
    may = n_looks if n_allowed is None else n_allowed
    return [
        judging.Run("by hand", n_looks, said, may, number < misses, 1.0 if said else None, False, 1.0, 1.0)
        for number in range(n)
    ]


def test_coverage_below_the_rule_fails(judging):
    # 94 % less three standard errors of 4,000 runs, .0113, is .9287: 285 misses.
    assert not judging.judged("cell", runs(judging, 4_000, misses=285)).why
    assert judging.judged("cell", runs(judging, 4_000, misses=286)).why == "covers less than 94%"


def test_misses_at_any_look_fail_when_luck_does_not_explain_them(judging):
    # Wilson's lower bound of 65 in 1,000 is .0514, that of 63 is .0496.
    assert not judging.judged("cell", runs(judging, 1_000, misses=63, n_looks=30)).why
    assert judging.judged("cell", runs(judging, 1_000, misses=65, n_looks=30)).why == "misses more often than 5%"


def test_refusing_buys_no_coverage(judging):
    found = judging.judged("cell", runs(judging, 100, n_looks=30, n_evaluable=20))
    assert found.why == "refuses more often than theory asks for"
    assert found.evaluable == pytest.approx(2 / 3)
    assert not judging.judged("cell", runs(judging, 100, n_looks=30, n_evaluable=20, n_allowed=20)).why


def test_a_cell_that_says_nothing_fails(judging):
    assert judging.judged("cell", runs(judging, 10, n_evaluable=0, n_allowed=0)).why == "nothing is ever said"
