import numpy as np
import pytest
from scipy import stats

from analysis.sequential import boundaries
from engine.experiments import Boundary

LOOKS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)
# Jennison and Turnbull (2000), "Group Sequential Methods with Applications to Clinical Trials", tables 2.1 and 2.3.
PUBLISHED = {
    (Boundary.POCOCK, 0.01): (2.576, 2.772, 2.873, 2.939, 2.986, 3.023, 3.053, 3.078, 3.099, 3.117, 3.182, 3.225),
    (Boundary.POCOCK, 0.05): (1.960, 2.178, 2.289, 2.361, 2.413, 2.453, 2.485, 2.512, 2.535, 2.555, 2.626, 2.672),
    (Boundary.POCOCK, 0.10): (1.645, 1.875, 1.992, 2.067, 2.122, 2.164, 2.197, 2.225, 2.249, 2.270, 2.344, 2.392),
    (Boundary.OBRIEN_FLEMING, 0.01): (
        *(2.576, 2.580, 2.595, 2.609, 2.621, 2.631, 2.640, 2.648, 2.654, 2.660, 2.681, 2.695),
    ),
    (Boundary.OBRIEN_FLEMING, 0.05): (
        *(1.960, 1.977, 2.004, 2.024, 2.040, 2.053, 2.063, 2.072, 2.080, 2.087, 2.110, 2.126),
    ),
    (Boundary.OBRIEN_FLEMING, 0.10): (
        *(1.645, 1.678, 1.710, 1.733, 1.751, 1.765, 1.776, 1.786, 1.794, 1.801, 1.826, 1.842),
    ),
}


@pytest.mark.parametrize(("boundary", "alpha"), PUBLISHED)
def test_constants_against_the_published_tables(boundary, alpha):
    found = [boundaries.constant(boundary, looks, alpha) for looks in LOOKS]
    np.testing.assert_allclose(found, PUBLISHED[boundary, alpha], atol=0.0005 + 1e-9)


@pytest.mark.parametrize("boundary", Boundary)
def test_the_chance_of_crossing_against_the_multivariate_normal(boundary):
    looks, constant = 3, 1.7
    limits = constant * boundaries.shape(boundary, looks)
    at = np.arange(1, looks + 1)
    correlation = np.sqrt(np.minimum.outer(at, at) / np.maximum.outer(at, at))
    inside = stats.multivariate_normal(cov=correlation, abseps=1e-7, releps=1e-7, seed=1).cdf(
        limits, lower_limit=-limits
    )
    assert boundaries.crossing(boundary, looks, constant) == pytest.approx(1 - inside, abs=1e-5)


def test_many_looks_and_small_errors_are_as_good():
    """Fifty looks, the most that a plan may have, at the error of a family of twenty."""
    alpha = 0.05 / 20
    for boundary in Boundary:
        found = boundaries.constant(boundary, 50, alpha)
        assert boundaries.crossing(boundary, 50, found) == pytest.approx(alpha, abs=1e-9)
        assert boundaries.constant(boundary, 20, alpha) < found < stats.norm.isf(alpha / 100)


@pytest.mark.parametrize("boundary", Boundary)
def test_twice_as_many_points_change_nothing(boundary, monkeypatch):
    alpha = 0.05 / 20
    found = boundaries.constant(boundary, 50, alpha)
    chance = boundaries.crossing(boundary, 50, found)
    monkeypatch.setattr(boundaries, "_NODES", 128)
    assert boundaries.crossing(boundary, 50, found) == pytest.approx(chance, rel=1e-8)
