"""A log of arrays says the same as the store's log of the same rows."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from analysis import report
from analysis.logs import frames
from analysis.logs.simple_log import START, simple_log
from engine.columns import encoded
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.specs import FixedSpec, ThompsonSpec

DAY = timedelta(days=1)
DAY_US = 86_400_000_000
METRICS = Metric("click", window=DAY), Metric("spend", MetricKind.REVENUE, DAY, cap=5.0)
WEIGHTED = FixedSpec({"a": 0.25, "b": 0.25, "c": 0.5})
TEST = Experiment(
    "hero", (Variant("a"), Variant("b"), Variant("c")), METRICS, exposure=ExposureRule.REPORTED, policy=WEIGHTED
)
BANDIT = replace(TEST, policy=ThompsonSpec(control_share=0.3), exposure=ExposureRule.ASSIGNED)


def made_twice(new_log, experiment, n=300):
    """Return a store's log and the same one of arrays; units come again, and outcomes name rows or units."""
    rng = np.random.default_rng(5)
    log = new_log(experiment)
    shares = rng.dirichlet([2, 3, 4], n) if experiment.policy.learns else np.tile([0.25, 0.25, 0.5], (n, 1))
    rows = [log.assign(f"unit {i % 200}", i / 100, shares[i].tolist()) for i in range(n)]
    units = {f"unit {i}": i + 1 for i in range(200)}
    met = np.flatnonzero(rng.random(n) < 0.8) if experiment.exposure is ExposureRule.REPORTED else []
    for i in met:
        log.expose(rows[i], i / 100 + 0.1)
    heard = []
    for i in np.flatnonzero(rng.random(n) < 0.5).tolist():
        metric, value, by_unit = ("click", "spend")[i % 2], float(rng.random() * 9), i % 3 == 0
        log.observe(f"unit {i % 200}" if by_unit else rows[i], metric, i / 100 + 0.5, value)
        unit = units[f"unit {i % 200}"] if by_unit else 0
        heard.append((-1 if by_unit else i, unit, metric, value, i / 100 + 0.5))
    log.end(9)
    row, unit, metric, value, at = zip(*heard, strict=True)
    arrays = simple_log(
        log.experiment,
        {
            "variant": [each.variant for each in rows],
            "unit_key": [units[each.unit.id] for each in rows],
            "assigned_at": days(np.arange(n) / 100),
            "distribution": shares,
            "group_name": [each.group.value for each in rows],
            "epoch": log.state.epoch,
            "revision": log.state.revision,
        },
        {"row": row, "unit_key": unit, "metric": metric, "value": value, "occurred_at": days(at)},
        {"row": met, "exposed_at": days(np.array(met) / 100 + 0.1)},
        ended_at=int(days([9])[0]),
    )
    return log.store, arrays


def days(numbers):
    return np.rint(np.array(numbers) * DAY_US).astype(np.int64) + START


@pytest.mark.parametrize("experiment", [TEST, BANDIT], ids=["test", "bandit"])
def test_arrays_and_a_store_are_read_as_the_same_frame(new_log, experiment):
    store, arrays = made_twice(new_log, experiment)
    one, other = (frames.read(source, "hero") for source in (store, arrays))
    assert (one.variants, one.epochs, one.end, one.left_out) == (
        other.variants,
        other.epochs,
        other.end,
        other.left_out,
    )
    assert one.assignments.is_usable.all()
    assert len(np.unique(one.assignments.is_control_group)) == 1 + experiment.policy.learns
    for part in ("assignments", "outcomes"):
        for name in {field.name for field in fields(getattr(one, part))} - {"seq", "patterns", "pattern", "stratum"}:
            np.testing.assert_array_equal(getattr(getattr(one, part), name), getattr(getattr(other, part), name), name)
    drawn_from = [frame.assignments.patterns[frame.assignments.pattern] for frame in (one, other)]
    np.testing.assert_array_equal(*drawn_from)


@pytest.mark.parametrize("experiment", [TEST, BANDIT], ids=["test", "bandit"])
def test_arrays_and_a_store_make_the_same_report(new_log, experiment):
    sources = made_twice(new_log, experiment)
    one, other = (replace(report(source, "hero"), history=()) for source in sources)
    assert one.to_json() == other.to_json()


def test_what_is_not_given_is_plain():
    log = simple_log(
        replace(TEST, exposure=ExposureRule.ASSIGNED, metrics=METRICS[:1]), {"variant": ["b", "a"]}, {"row": [1]}
    )
    frame = frames.read(log, "hero")
    rows = frame.assignments
    assert rows.unit_key.tolist() == [1, 2]
    assert rows.is_usable.all()
    assert (rows.at == START).all()
    assert rows.patterns.sum(axis=1).tolist() == [1.0]
    assert frame.outcomes.value.tolist() == [1.0]
    assert frame.end == START + DAY_US
    assert report(log, "hero").health.n_units == 2


def test_weights_may_be_given_as_they_are_logged():
    weights = np.array([[ONE // 4, ONE // 4, ONE // 2], [ONE - 2, 1, 1]])
    frame = frames.read(simple_log(BANDIT, {"variant": [0, 2], "distribution": weights}), "hero")
    np.testing.assert_array_equal(frame.assignments.patterns[frame.assignments.pattern] * ONE, weights)


def test_the_context_is_given_as_it_is_read():
    context = ContextField("device", FieldType.TEXT), ContextField("new", FieldType.FLAG)
    given = {"device": ["desk", None], "new": [1.0, np.nan]}
    frame = frames.read(simple_log(replace(TEST, context=context), {"variant": [0, 1]}, context=given), "hero")
    assert frame.context("device").values().tolist() == ["desk", None]
    assert frame.context("new").tolist()[0] == 1.0


@pytest.mark.parametrize(
    ("experiment", "assignments", "outcomes", "words"),
    [
        (TEST, {}, {}, "no `variant`"),
        (TEST, {"variant": [3]}, {}, "from 0 to 2"),
        (TEST, {"variant": [0], "wieght": [1]}, {}, "no column 'wieght'"),
        (TEST, {"variant": [0, 1], "epoch": [1]}, {}, "`epoch` is"),
        (BANDIT, {"variant": [0]}, {}, "say the `distribution`"),
        (BANDIT, {"variant": [0, 1], "distribution": np.ones((1, 3)) / 3}, {}, "2 rows or one"),
        (TEST, {"variant": [0]}, {"row": [0]}, "say the `metric`"),
        (TEST, {"variant": [0]}, {"row": [1], "metric": "click"}, "a place among the 1 assignments"),
    ],
)
def test_what_is_not_sound_is_refused(experiment, assignments, outcomes, words):
    with pytest.raises(InvalidRequest, match=words):
        simple_log(experiment, assignments, outcomes)


def test_any_column_can_be_coded_beforehand():
    log = simple_log(TEST, {"variant": [0, 1], "reason": encoded(["drawn", "forced"]), "is_draw": [True, False]})
    assert frames.read(log, "hero").assignments.reason.tolist() == ["drawn", "forced"]
    with pytest.raises(InvalidRequest, match="no column 'record'"):
        log.columns("assignments", ["record"])
