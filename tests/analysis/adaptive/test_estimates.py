"""Values and lifts of variants: what they say, and in which words they refuse."""

import numpy as np
import pytest

from analysis.adaptive import estimates, weighting
from analysis.adaptive.means import Mean, interval
from analysis.adaptive.weighting import Weighting
from analysis.estimate import Holds, Scale, Validity
from engine.experiments import Looking, Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.adaptive import worlds

EVEN = np.array([[0.5, 0.5]])


@pytest.fixture(scope="module")
def runs():
    return worlds.thompson([0.1, 0.2], 3, 3000, floor=0.1)


def even(values, variant=None, frame=None, patterns=EVEN, pattern=None):
    n = len(values)
    variant = np.arange(n) % 2 if variant is None else np.asarray(variant)
    pattern = np.zeros(n, np.int64) if pattern is None else np.asarray(pattern)
    return worlds.scored(frame or worlds.empty(2), variant, values, pattern, patterns)


def refused(found, key):
    assert found.interval is None
    assert found.validity is Validity.NOT_EVALUABLE
    assert found.note.key == key
    assert str(found.note)
    return True


def test_a_lift_is_the_mean_of_the_scores_difference(runs):
    found = runs.scored(worlds.empty(2), 0)
    lift = estimates.lift(found, 1, 0).absolute
    difference = found.scores[:, 1] - found.scores[:, 0]
    mean = Mean.of(difference, np.full(3000, 1 / 3000))
    assert lift.value == pytest.approx(difference.mean(), rel=1e-12)
    assert lift.interval == pytest.approx(interval(mean, 0.05))
    assert (lift.scale, lift.n, lift.family, lift.holds) == (Scale.POINTS, 3000, 1, Holds.ONCE)
    values = [estimates.value(found, place) for place in (0, 1)]
    assert lift.value == pytest.approx(values[1].value - values[0].value, rel=1e-12)
    assert [each.n for each in values] == np.bincount(runs.variant[0]).tolist()
    assert lift.p_value < 0.05 < lift.low + 1


def test_families_and_planned_looks_widen_it(runs):
    found = runs.scored(worlds.empty(2), 0)
    plan = Plan(Looking.PLANNED, looks=4, n_units=4000)
    planned = runs.scored(worlds.empty(2, plan=plan), 0)
    together, at_looks = estimates.lift(found, 1, 0, family=4).absolute, estimates.lift(planned, 1, 0).absolute
    assert together.interval == at_looks.interval
    assert at_looks.holds is Holds.PLANNED
    assert at_looks.p_value == pytest.approx(4 * together.p_value)
    assert "4 planned looks" in str(at_looks.method)


def test_the_relative_lift_is_that_of_the_values(runs):
    found = runs.scored(worlds.empty(2), 0)
    lift = estimates.lift(found, 1, 0)
    values = [estimates.value(found, place).value for place in (0, 1)]
    assert lift.relative.value == pytest.approx(values[1] / values[0] - 1)
    assert lift.relative.low < lift.relative.value < lift.relative.high
    assert (lift.relative.low > 0) == (lift.absolute.low > 0)


def test_a_control_near_zero_has_no_relative_lift():
    random = np.random.default_rng(1)
    values = random.normal(0, 1, 400)
    values[::2] -= values[::2].mean()
    frame = worlds.empty(2, metric=Metric("click", MetricKind.REVENUE))
    lift = estimates.lift(even(values, frame=frame), 1, 0)
    assert lift.absolute.interval is not None
    assert refused(lift.relative, "not_evaluable.not_identified")


def test_no_draws_at_all():
    found = even([])
    assert refused(estimates.value(found, 0), "adaptive.nothing_yet")
    assert refused(estimates.lift(found, 1, 0).absolute, "adaptive.nothing_yet")
    assert refused(estimates.lift(found, 1, 0).relative, "adaptive.nothing_yet")


@pytest.mark.parametrize("values", [np.zeros(200), np.ones(200), np.arange(200) % 2 * 1.0, np.ones(1)])
def test_too_few_outcomes_or_none_or_nothing_else(values):
    found = even(values)
    assert refused(estimates.lift(found, 1, 0).absolute, "adaptive.few_events")
    assert "fewer than 5" in str(estimates.lift(found, 1, 0).absolute.note)


def test_amounts_that_are_all_the_same():
    frame = worlds.empty(2, metric=Metric("click", MetricKind.REVENUE))
    values = np.where(np.arange(100) % 2, 7.0, np.arange(100))
    assert refused(estimates.value(even(values, frame=frame), 1), "not_evaluable.same_side")
    assert refused(estimates.lift(even(values, frame=frame), 1, 0).absolute, "not_evaluable.same_side")


def test_a_variant_that_was_not_always_eligible_counts_where_it_was():
    """Draws from before it was added say nothing of it."""
    random = np.random.default_rng(0)
    pattern = np.repeat([0, 1], 1000)
    patterns = np.array([[1.0, 0.0], [0.5, 0.5]])
    variant = np.where(pattern == 1, random.integers(0, 2, 2000), 0)
    values = (random.random(2000) < 0.2).astype(float)
    found = even(values, variant, patterns=patterns, pattern=pattern)
    value, lift = estimates.value(found, 1), estimates.lift(found, 1, 0).absolute
    assert value.note.key == lift.note.key == "adaptive.not_eligible"
    assert "1,000 draws" in str(value.note)
    assert value.value == pytest.approx(found.scores[1000:, 1].mean(), rel=1e-12)
    assert lift.n == 1000
    assert estimates.value(found, 0).note is None


def test_stabilised_weights_answer_where_uniform_ones_cannot():
    """A variant is starved after an even start: what came late carries all the weight of uniform ones."""
    n = 4000
    pattern = (np.arange(n) >= 1000).astype(np.int64)
    patterns = np.array([[0.5, 0.5], [0.998, 0.002]])
    random = np.random.default_rng(2)
    variant = (random.random(n) < patterns[pattern, 1]).astype(np.int64)
    variant[1000:] = 0
    variant[[1500, 2500]] = 1
    values = (random.random(n) < 0.1).astype(float)
    values[[1500, 2500]] = 1
    found = even(values, variant, patterns=patterns, pattern=pattern)
    assert refused(estimates.lift(found, 1, 0, weights=Weighting.UNIFORM).absolute, "adaptive.few_events")
    stabilised = estimates.lift(found, 1, 0, weights=Weighting.STABILISED).absolute
    assert stabilised.interval is not None
    chosen = estimates.lift(found, 1, 0).absolute
    assert chosen == stabilised
    assert chosen.note.key == "adaptive.steady"


def test_weights_of_a_policy_that_reads_the_context_do_not_know_their_row():
    random = np.random.default_rng(0)
    patterns = random.dirichlet([2, 2], 1500) * 0.9 + 0.05
    found = even(np.ones(1500), patterns=patterns, pattern=np.arange(1500), frame=worlds.reading_context(2))
    before = weighting.of(Weighting.STABILISED, found.drawn, (0, 1), reads_context=True)
    patterns[1400:] = [0.001, 0.999]
    found = even(np.ones(1500), patterns=patterns, pattern=np.arange(1500), frame=worlds.reading_context(2))
    after = weighting.of(Weighting.STABILISED, found.drawn, (0, 1), reads_context=True)
    np.testing.assert_allclose(before[:1401] / before[0], after[:1401] / after[0], rtol=1e-12)
    assert (after[1450:] / after[0] < 0.9 * before[1450:] / before[0]).all()
    assert found.reads_context


def test_effective_outcomes_are_the_fewer_kind():
    found = even(np.tile([1.0, 1.0, 1.0, 0.0], 100))
    assert estimates.effective_events(found, found.of(0), 0) == pytest.approx(0)
    assert estimates.effective_events(found, found.of(1), 1) == pytest.approx(100)
