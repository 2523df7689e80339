from itertools import product

import numpy as np
import pytest

from analysis.checks import balance
from analysis.logs import frames
from analysis.sequential import ratio
from analysis.texts import text
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import FixedSpec

TITLE = text("balance.assigned")
NAMES = ("a", "b", "c")
HOUR = 3_600_000_000


def evidence_by_hand(variant, patterns, pattern):
    """Return the e-process after each draw by its definition."""
    tilts = []
    for place in range(patterns.shape[1]):
        for kept in ratio.KEPT:
            for factor in (kept, 1 / kept):
                theta = np.ones(patterns.shape[1])
                theta[place] = factor
                tilts.append(theta)
    e = np.zeros(len(variant))
    for theta in tilts:
        tilted = theta * patterns
        tilted /= tilted.sum(axis=1, keepdims=True)
        e += np.cumprod(tilted[pattern, variant] / patterns[pattern, variant])
    return e / len(tilts)


def draw(rng, patterns, pattern):
    return (rng.random(len(pattern))[:, None] > np.cumsum(patterns, axis=1)[pattern][:, :-1]).sum(axis=1)


def test_the_evidence_by_its_definition():
    rng = np.random.default_rng(1)
    patterns = rng.dirichlet(np.ones(3), 5)
    pattern = rng.integers(0, 5, 200)
    variant = draw(rng, patterns, pattern)
    looks = np.array([1, 2, 50, 199, 200])
    found = ratio.log_evidence(variant, patterns, pattern, looks)
    np.testing.assert_allclose(found, np.log(evidence_by_hand(variant, patterns, pattern))[looks - 1], rtol=1e-9)


def test_a_whole_log_is_expected_to_gain_nothing():
    """All possible logs of three draws, of which each one's distribution depends on the draws before."""
    patterns = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]])
    expected = np.zeros(3)
    for variant in product((0, 1), repeat=3):
        # A policy that moves: after one draw of "b" it is cautious, after two it is sure.
        pattern = np.array([0, 1 if variant[0] else 2, 3 if sum(variant[:2]) == 2 else variant[1]])
        chance = np.prod(patterns[pattern, variant])
        if chance:
            found = ratio.log_evidence(np.array(variant), patterns, pattern, np.arange(1, 4))
            expected += chance * np.exp(found)
    np.testing.assert_allclose(expected, 1, rtol=1e-12)


def test_more_rows_than_looks_agree_with_every_row():
    rng = np.random.default_rng(2)
    patterns = np.array([[0.3, 0.3, 0.4]])
    variant = draw(rng, patterns, np.zeros(5_000, int))
    kept = (variant != 1) | (rng.random(5_000) > 0.2)
    variant = variant[kept]
    pattern = np.zeros(len(variant), int)
    strongest = evidence_by_hand(variant, patterns, pattern).max()
    found = ratio.check(TITLE, NAMES, variant, patterns, pattern)
    # A thousand looks miss at most the growth within five rows, each by less than 1 / 0.3 of the best tilt.
    assert (1 - 1e-9) / strongest <= found.p_value <= 2 / strongest
    assert found.holds is False
    assert "rows of some variant are lost or added" in str(found.sentence)


def test_shares_are_beside_what_is_expected():
    rng = np.random.default_rng(3)
    patterns = np.array([[0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    pattern = np.repeat([0, 1], [600, 400])
    found = ratio.check(TITLE, NAMES, draw(rng, patterns, pattern), patterns, pattern)
    assert found.holds is True
    assert [share.expected for share in found.shares] == pytest.approx([380, 380, 240])
    assert sum(share.observed for share in found.shares) == 1_000
    assert "at every look so far" in str(found.sentence)


@pytest.mark.parametrize(
    ("patterns", "n", "key"),
    [
        ([[0.5, 0.5]], 99, "balance.too_few"),
        ([[0.5, 0.5]], 0, "balance.too_few"),
        ([[1.0, 0.0]], 500, "balance.no_chance"),
    ],
)
def test_nothing_to_check_is_said(patterns, n, key):
    variant = pattern = np.zeros(n, np.int64)
    found = ratio.check(TITLE, NAMES[:2], variant, np.array(patterns), pattern)
    assert (found.holds, found.p_value, found.sentence) == (None, None, text(key))
    assert ratio.evidence(TITLE, pattern, variant, np.array(patterns), pattern) is None


def test_the_chart_ends_where_the_check_is():
    rng = np.random.default_rng(4)
    n = 3_000
    patterns, pattern = np.array([[0.5, 0.5]]), np.zeros(n, np.int64)
    variant = (rng.random(n) < 0.6).astype(np.int64)
    at = np.linspace(0, 30 * HOUR, n).astype(np.int64)
    found = ratio.evidence(TITLE, at, variant, patterns, pattern)
    (values,) = found.values
    checked = ratio.check(TITLE, NAMES[:2], variant, patterns, pattern)
    assert values[-1] == pytest.approx(-np.log10(checked.p_value))
    assert list(values) == sorted(values)
    assert found.alarm == pytest.approx(3)
    assert len(values) == len(found.starts) == 31
    assert (values[-1] > found.alarm) is (checked.holds is False)


def test_a_log_whose_times_jump_back_has_a_chart():
    rng = np.random.default_rng(5)
    at = rng.permutation(np.linspace(0, 30 * HOUR, 500).astype(np.int64))
    found = ratio.evidence(TITLE, at, rng.integers(0, 2, 500), np.array([[0.5, 0.5]]), np.zeros(500, np.int64))
    assert len(found.values[0]) == len(found.starts)
    assert ratio.evidence(TITLE, at[:1], np.zeros(1, int), np.array([[0.5, 0.5]]), np.zeros(1, int)) is None


def test_a_log_is_checked_at_any_look_with_the_chi_square_beside(new_log):
    log = new_log(Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), policy=FixedSpec()))
    for i in range(600):
        log.assign(f"unit {i % 400}", i / 100)
    frame = frames.read(log.store, "hero")
    found = balance.variants(frame, balance.independent(frame, frame.assignments.is_usable), TITLE)
    assert found.holds
    assert sum(share.observed for share in found.shares) == 400
    assert "sequential ratio test" in str(found.method)
    assert "chi-square (1)" in str(found.method)
    chart = balance.evidence(frame, balance.independent(frame, frame.assignments.is_usable), TITLE)
    assert chart.values[0][-1] == pytest.approx(-np.log10(found.p_value))
