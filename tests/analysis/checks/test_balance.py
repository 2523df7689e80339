import numpy as np
import pytest
from scipy import stats

from analysis.checks import balance
from analysis.logs import frames
from analysis.logs.simple_log import simple_log
from analysis.texts import text
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import FixedSpec, ThompsonSpec

TITLE = text("balance.groups")
VARIANTS = (Variant("a"), Variant("b"), Variant("c"))
RUNS = 2000
# The false alarms of an exact test are binomial(RUNS, level); 3.29 standard errors above the mean is a one in two
# thousand event for a normal, and the 5 per cent level is where 2,000 runs can see a wrong variance.
LEVEL = 0.05
MOST = LEVEL + 3.29 * np.sqrt(LEVEL * (1 - LEVEL) / RUNS)


def p_value(patterns, drawn):
    observed = np.bincount(drawn, minlength=patterns.shape[1])
    found = balance.check(TITLE, ("a", "b", "c"), observed, patterns, np.ones(len(patterns), int))
    return found.p_value


def draw(rng, patterns):
    return (rng.random(len(patterns))[:, None] > patterns.cumsum(axis=1)).sum(axis=1).clip(max=2)


def test_against_scipys_chi_square_for_a_fixed_split():
    found = balance.check(
        TITLE, ("a", "b", "c"), np.array([480, 260, 260]), np.array([[0.5, 0.25, 0.25]]), np.array([1000])
    )
    assert found.p_value == pytest.approx(stats.chisquare([480, 260, 260], [500, 250, 250]).pvalue, rel=1e-12)


def test_no_false_alarms_under_a_fixed_split():
    rng = np.random.default_rng(8)
    patterns = np.tile([0.8, 0.15, 0.05], (400, 1))
    alarms = sum(p_value(patterns, draw(rng, patterns)) < LEVEL for _ in range(RUNS))
    assert alarms / RUNS < MOST


def test_no_false_alarms_under_probabilities_that_follow_the_draws():
    # An urn: each draw makes its variant more likely, so the expected counts depend on the draws themselves.
    rng = np.random.default_rng(9)
    n = 300
    weights = np.ones((RUNS, 3)) * 5
    observed = np.zeros((RUNS, 3))
    patterns = np.empty((n, RUNS, 3))
    for step in range(n):
        patterns[step] = weights / weights.sum(axis=1, keepdims=True)
        drawn = draw(rng, patterns[step])
        weights[np.arange(RUNS), drawn] += 1
        observed[np.arange(RUNS), drawn] += 1
    alarms = 0
    for run in range(RUNS):
        found = balance.check(TITLE, ("a", "b", "c"), observed[run].astype(int), patterns[:, run], np.ones(n, int))
        alarms += found.p_value is not None and found.p_value < LEVEL
    assert alarms / RUNS < MOST


def test_a_loss_of_a_tenth_of_one_variant_is_found():
    # At 20,000 draws of a half a loss of a tenth is 1,000 rows beside a standard error of about 70: 14 of them.
    rng = np.random.default_rng(10)
    share = np.linspace(0.2, 0.8, 20_000)
    patterns = np.stack([share, 1 - share, np.zeros(20_000)], axis=1)
    drawn = draw(rng, patterns)
    kept = (drawn != 0) | (rng.random(20_000) > 0.1)
    observed = np.bincount(drawn[kept], minlength=3)
    found = balance.check(TITLE, ("a", "b", "c"), observed, patterns[kept], np.ones(int(kept.sum()), int))
    assert found.holds is False
    assert "do not fit" in str(found.sentence)


def test_repeats_of_a_draw_by_unit_count_once(new_log):
    log = new_log(Experiment("hero", VARIANTS, (Metric("click"),), policy=FixedSpec({"a": 0.5, "b": 0.3, "c": 0.2})))
    made = [log.assign(f"unit {i % 300}", i / 100) for i in range(3000)]
    assert len({row.variant for row in made}) == 3
    frame = frames.read(log.store, "hero")
    found = balance.variants(frame, balance.independent(frame, frame.assignments.is_usable), TITLE)
    assert sum(share.observed for share in found.shares) == 300
    assert found.holds


def test_a_unit_that_was_drawn_again_counts_by_its_first_draw():
    """After the killing of a variant units keep their numbers, so a second draw would say again what the first said."""
    experiment = Experiment("hero", VARIANTS, (Metric("click"),))
    n = 600
    first = np.random.default_rng(11).integers(0, 3, n)
    log = simple_log(
        experiment,
        {
            "variant": np.concatenate([first, np.where(first == 1, 0, first)]),
            "unit_key": np.tile(np.arange(n), 2) + 1,
            "epoch": np.repeat([1, 2], n),
            "distribution": np.repeat([[1 / 3] * 3, [2 / 3, 0.0, 1 / 3]], n, axis=0),
        },
    )
    frame = frames.read(log, "hero")
    assert balance.independent(frame, frame.assignments.is_usable).tolist() == list(range(n))


def test_the_groups_of_units_are_checked_against_the_control_share(new_log):
    log = new_log(Experiment("offer", VARIANTS, (Metric("click"),), policy=ThompsonSpec(control_share=0.3)))
    for i in range(1200):
        log.assign(f"unit {i % 600}", i / 100)
    found = balance.groups(frames.read(log.store, "offer"))
    assert [round(share.expected) for share in found.shares] == [180, 420]
    assert sum(share.observed for share in found.shares) == 600
    assert found.holds


def test_too_few_draws_are_said_to_be_too_few():
    found = balance.check(TITLE, ("a", "b"), np.array([3, 1]), np.array([[0.5, 0.5]]), np.array([4]))
    assert (found.holds, found.p_value, str(found.sentence)) == (None, None, "Too few draws to check.")


def test_rare_variants_are_checked_together():
    patterns = np.array([[0.98, 0.01, 0.01]])
    fits = balance.check(TITLE, ("a", "b", "c"), np.array([295, 4, 1]), patterns, np.array([300]))
    assert "(1)" in str(fits.method)
    assert not balance.check(TITLE, ("a", "b", "c"), np.array([260, 30, 10]), patterns, np.array([300])).holds
