"""Scores are fair whatever a policy learned: by enumeration of all that it could have drawn."""

from itertools import product

import numpy as np
import pytest

from analysis.adaptive import scoring, weighting
from analysis.adaptive.drawn import Context, Drawn
from analysis.adaptive.weighting import Weighting

BROUGHT = np.array([[1.0, 3.0], [0.0, 1.5], [2.0, -1.0], [0.5, 4.0], [1.0, 0.0], [7.0, 2.0]])
"""What each variant would have brought in each row: an experiment so small that all its courses can be counted."""


def probability(drawn, delay):
    """That of variant 1 next, of a policy that follows the outcomes it knows, those up to `delay` rows ago."""
    known = drawn[: max(len(drawn) - delay, 0)]
    gain = sum((1 if place else -1) * BROUGHT[row, place] for row, place in enumerate(known))
    return 0.1 + 0.8 / (1 + np.exp(-gain))


def courses(delay=0):
    """Every course of the experiment with its probability."""
    for variants in product((0, 1), repeat=len(BROUGHT)):
        shares = np.array([probability(variants[:row], delay) for row in range(len(BROUGHT))])
        patterns = np.stack([1 - shares, shares], axis=1)
        rows = np.arange(len(BROUGHT))
        drawn = Drawn.of(np.array(variants), BROUGHT[rows, variants], rows, patterns)
        yield float(patterns[rows, variants].prod()), drawn


def expected(of, delay=0):
    """The expected value of a function of the draws, over all courses."""
    return sum(chance * of(drawn) for chance, drawn in courses(delay))


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_every_score_is_expected_to_be_what_its_variant_brings(delay):
    """Also where models know outcomes that the policy did not know yet."""
    assert sum(chance for chance, _ in courses(delay)) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(expected(scoring.of, delay), BROUGHT, atol=1e-12)


def test_the_mean_with_uniform_weights_is_unbiased():
    np.testing.assert_allclose(expected(lambda drawn: scoring.of(drawn).mean(axis=0)), BROUGHT.mean(axis=0), atol=1e-12)


def test_a_naive_mean_is_not():
    def naive(drawn):
        own = drawn.values[drawn.variant == 1]
        return own.mean() if len(own) else BROUGHT[:, 1].mean()

    assert abs(expected(naive) - BROUGHT[:, 1].mean()) > 0.01


def test_any_weights_known_before_the_draw_leave_a_martingale():
    def weighted(drawn):
        weights = weighting.of(Weighting.STABILISED, drawn, (0, 1), reads_context=False)
        unscaled = drawn.patterns.prod(axis=1) ** 0.5
        np.testing.assert_allclose(weights, unscaled / unscaled.sum(), rtol=1e-12)
        return unscaled @ (scoring.of(drawn) - BROUGHT)

    np.testing.assert_allclose(expected(weighted), 0, atol=1e-12)


def test_without_a_model_it_is_inverse_propensity_weighting():
    for _, drawn in courses():
        found = scoring.scores(drawn, np.zeros((len(drawn), 2)))
        weighted = [np.where(drawn.variant == place, drawn.values / drawn.propensity, 0) for place in (0, 1)]
        np.testing.assert_array_equal(found, np.stack(weighted, axis=1))


def test_distributions_that_no_draw_is_of_are_left_out():
    patterns = np.array([[1.0, 0.0], [0.5, 0.5]])
    drawn = Drawn.of(np.array([0, 1]), np.ones(2), np.array([1, 1]), patterns, Context.none(2))
    assert drawn.patterns.tolist() == [[0.5, 0.5]]
    assert drawn.propensity.tolist() == [0.5, 0.5]
    assert drawn.could_be((0, 1)) == slice(None)


def test_effective_size():
    assert scoring.effective_size(np.full(7, 3.0)) == pytest.approx(7)
    assert scoring.effective_size(np.zeros(0)) == scoring.effective_size(np.zeros(3)) == 0
