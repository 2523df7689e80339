"""An exported log is read as the store that it came from."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis import report
from analysis.commands.export import export
from analysis.logs import exporting, frames
from analysis.logs.parquet_source import ParquetSource, open_log
from engine.columns import Coded
from engine.errors import InvalidRequest, StoreUnavailable
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Metric, MetricKind
from engine.records import Erasure, Unit
from engine.specs import FixedSpec
from engine.storage import open_store
from engine.storage.schema import COLUMNS, DERIVED

DAY = timedelta(days=1)
METRICS = Metric("click", window=DAY), Metric("spend", MetricKind.REVENUE, DAY, cap=5.0, of="order")
CONTEXT = ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)
TEST = Experiment("hero", (Variant("a"), Variant("b")), METRICS, exposure=ExposureRule.REPORTED, context=CONTEXT)


@pytest.fixture(scope="module")
def log(new_log):
    made = new_log(TEST)
    rng = np.random.default_rng(3)
    for i in range(120):
        if i == 60:
            made.update(replace(made.experiment, policy=FixedSpec({"a": 0.3, "b": 0.7})))
        row = made.assign(f"unit {i % 100}", i / 100, context={"device": ("desk", "phone")[i % 2], "visits": float(i)})
        if i % 3:
            made.expose(row, i / 100 + 0.1)
        if rng.random() < 0.6:
            by_unit = i % 4 == 0
            made.observe(f"unit {i % 100}" if by_unit else row, ("click", "order")[i % 2], i / 100 + 0.5, i / 7)
    made.default("unit 7", 1.5)
    made.expose(made.repeat("a login", row, 1.5), 1.55)
    made.observe("a login", "click", 1.58)
    made.observe("unit 8", "", 1.6, void_of=made.observe("unit 8", "click", 1.6))
    made.assign("unit 9", 1.7, experiment_id="other")
    made.store.append([Erasure(Unit("customer", "unit 3"), row.assigned_at, "kim", "asked")])
    made.end(9)
    return made


@pytest.fixture(scope="module", params=[exporting.ROWS, 50])
def source(log, request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("it's a log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "ROWS", request.param)
        exporting.export(log.store, directory)
    made = ParquetSource(directory)
    yield made
    made.close()


@pytest.mark.parametrize("experiment_id", ["", "hero"])
def test_it_has_the_same_columns(log, source, experiment_id):
    for table in exporting.TABLES:
        names = [*COLUMNS[table], *DERIVED[table]]
        expected, found = (each.columns(table, names, experiment_id) for each in (log.store, source))
        assert list(found) == names
        for name in names:
            one, other = expected[name], found[name]
            if isinstance(one, Coded):
                assert one.words == other.words, name
                one, other = one.codes, other.codes
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, name)
    assert source.voided().tolist() == log.store.voided().tolist()


def test_it_has_the_same_pages(log, source):
    assert source.last_seq() == log.store.last_seq()
    for span in ({"after": 40, "until": 90}, {"after": 90}, {"until": 0}, {"after": 10**6}):
        for table in exporting.TABLES:
            expected, found = (each.columns(table, ["seq"], "hero", **span)["seq"] for each in (log.store, source))
            np.testing.assert_array_equal(expected, found)
        expected, found = (each.contexts("hero", ["visits"], **span)["visits"] for each in (log.store, source))
        np.testing.assert_array_equal(expected, found)


def test_it_has_the_same_experiments(log, source):
    assert source.states() == log.store.states()
    assert source.history("hero") == log.store.history("hero")
    assert source.definition("hero", 1) == log.store.definition("hero", 1)
    assert source.definition("hero", 9) is source.state("other") is None
    assert source.ended_at() == log.store.ended_at()


def test_it_has_the_same_contexts_and_report(log, source):
    for one, other in zip(
        *(each.contexts("hero", ["device", "visits"]).values() for each in (log.store, source)), strict=True
    ):
        np.testing.assert_array_equal(*(each.codes if isinstance(each, Coded) else each for each in (one, other)))
    assert report(source, "hero").to_json() == report(log.store, "hero").to_json()


def test_an_empty_log_is_exported_too(tmp_path, new_log):
    exporting.export(new_log(TEST).store, tmp_path)
    assert len(frames.read(ParquetSource(tmp_path), "hero").assignments) == 0


def test_the_command_writes_what_can_be_opened(tmp_path):
    open_store(tmp_path / "store").close()
    said = CliRunner().invoke(export, ["--log", str(tmp_path / "store"), "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert open_log(tmp_path / "out").states() == open_log(tmp_path / "store").states() == []


def test_what_is_no_exported_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no exported log in"):
        ParquetSource(tmp_path)


def test_without_duckdb_it_says_what_to_install(tmp_path, new_log, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InvalidRequest, match=r"pip install 'armlift\[duckdb\]'"):
        exporting.export(new_log(TEST).store, tmp_path)
