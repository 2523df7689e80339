"""A CSV becomes a log that says what the file said."""

from __future__ import annotations

from pathlib import Path

import pytest

import analysis
from engine.experiments import Status
from engine.randomness import ONE, draw
from engine.records import Assignment, DrawKey, Source
from engine.storage import open_reader
from simulators.imported import OTHERS, import_rows, logged_distribution
from simulators.recipe import load_recipe
from simulators.rows import START, Row

SHORT = "recipe: mail, variant: {column: arm, names: [a, b, c]}, metrics: {visit: {window: 1h}}"


def row(line: int, variant: str, propensity: float, visit: float = 0.0) -> Row:
    return Row(line, f"row-{line}", START, {}, variant, propensity, {"visit": visit} if visit else {})


def test_the_imported_log(tmp_path: Path) -> None:
    recipe = load_recipe(f"{{{SHORT}, propensity: {{a: 0.5, b: 0.3, c: 0.2}}}}")
    rows = [row(line, "abc"[line % 3], (0.5, 0.3, 0.2)[line % 3], float(line % 2)) for line in range(2, 302)]
    assert sum(import_rows(tmp_path / "log", recipe, rows)) == 300
    reader = open_reader(tmp_path / "log")
    state = reader.state("mail")
    assert state is not None
    assert state.status is Status.CONCLUDED
    log = [entry for entry in reader.entries() if isinstance(entry, Assignment)]
    assert len(log) == 300
    for logged, given in zip(log, rows, strict=True):
        assert (logged.variant, logged.source, logged.draw_key) == (given.variant, Source.IMPORTED, DrawKey.NONE)
        assert logged.is_draw
        assert logged.propensity == pytest.approx(given.propensity, abs=1 / ONE)
        assert logged.eligible[draw(logged.distribution, logged.drawn)] == logged.variant
    assert sum(len(reader.outcomes_of(logged.assignment_id)) for logged in log) == 150
    reader.close()
    assert "imported" in analysis.to_markdown(analysis.report(tmp_path / "log", "mail"))


def test_distributions() -> None:
    by_variant = load_recipe(f"{{{SHORT}, propensity: {{a: 0.5, b: 0.25, c: 0.25}}}}")
    assert logged_distribution(by_variant, row(2, "b", 0.25)) == (("a", "b", "c"), (ONE // 2, ONE // 4, ONE // 4))
    in_column = load_recipe(f"{{{SHORT}, propensity_column: p}}")
    assert logged_distribution(in_column, row(2, "b", 0.5)) == (("b", OTHERS), (ONE // 2, ONE // 2))
    _, certain = logged_distribution(in_column, row(2, "b", 1.0))
    assert certain == (ONE - 1, 1), "no eligible variant is without a chance"
