"""The best of Student's t posteriors: against closed forms, adaptive quadrature, simulation and itself."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats import t as student

from engine.errors import PolicyFailed
from engine.policies.posteriors import Shape, StudentT, from_narrowest, probability_of_best

EXACT = 1e-8
"""What is reached in practice; 1e-6 is what is promised."""


def best(*shapes: Shape) -> tuple[float, ...]:
    return probability_of_best(from_narrowest(shapes), StudentT)


def by_adaptive_quadrature(shapes: list[Shape]) -> list[float]:
    """The same integrals one at a time, with breakpoints at the quantiles of every posterior."""
    laws = [student(freedom, mean, scale) for mean, scale, freedom in shapes]
    quantiles = (1e-9, 1e-6, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9)
    points = sorted({float(law.ppf(q)) for law in laws for q in quantiles})

    def integral(k: int) -> float:
        def density(x: float) -> float:
            return float(laws[k].pdf(x)) * math.prod(float(law.cdf(x)) for j, law in enumerate(laws) if j != k)

        pieces = [quad(density, *ends, epsabs=1e-12, epsrel=1e-9, limit=200)[0] for ends in itertools.pairwise(points)]
        return math.fsum(pieces)

    return [integral(k) for k in range(len(shapes))]


@pytest.mark.parametrize("scales", [(0.5, 0.5), (1e-3, 0.5), (1e-9, 0.5), (1e-9, 2e-9)])
@pytest.mark.parametrize("apart", [0.0, 0.3, -1.0, 2.5])
def test_two_normal_posteriors_against_the_closed_form(scales, apart):
    # P(X2 > X1) = Phi(difference / its standard deviation); with 1e12 degrees of freedom t is normal to twelve digits.
    deviation = math.hypot(*scales)
    first, second = (0.5, scales[0], 1e12), (0.5 + apart * deviation, scales[1], 1e12)
    exactly = (second[0] - first[0]) / deviation
    assert best(first, second)[1] == pytest.approx(norm.cdf(exactly), abs=EXACT)


def test_two_cauchys_against_the_closed_form():
    # The difference of Cauchys is one whose scale is the sum of theirs.
    expected = 0.5 + math.atan(0.25 / (0.5 + 0.1)) / math.pi
    # Of a Cauchy all but 1e-11 lies within 3e10 scales: what is cut off there is the error.
    assert best((0.25, 0.5, 1.0), (0.5, 0.1, 1.0))[1] == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(
    "shapes",
    [
        [(0.5, 0.5, 2.0), (0.4, 0.1, 5.0)],
        [(0.5, 0.5, 2.0), (0.9, 0.35, 3.0), (0.1, 0.35, 3.0)],
        [(0.31, 0.02, 80.0), (0.3, 0.03, 40.5), (0.5, 0.5, 2.0), (0.33, 0.01, 1e4)],
        [(0.5, 1e-6, 1e6), (0.5, 0.5, 2.0)],
        [(0.02, 0.001, 2.0), (0.021, 0.2, 2.7)],
    ],
)
def test_against_adaptive_quadrature(shapes):
    assert best(*shapes) == pytest.approx(by_adaptive_quadrature(shapes), abs=EXACT)


def test_two_hundred_variants_against_simulation():
    n, z = 100_000, 4.5
    rng = np.random.default_rng(20240103)
    mean, scale, freedom = rng.random(200) * 0.2, 0.02 + rng.random(200) * 0.1, 2 + rng.integers(0, 20, size=200)
    drawn = mean + scale * rng.standard_t(freedom, size=(n, 200))
    simulated = np.bincount(drawn.argmax(axis=1), minlength=200) / n
    p = np.array(best(*zip(mean.tolist(), scale.tolist(), map(float, freedom), strict=True)))
    # A share's standard error is sqrt(p (1 - p) / n); of 200, one beyond z = 4.5 has probability 0.0014. 5 / n more,
    # because shares of a few draws are not normal.
    assert np.all(np.abs(simulated - p) < z * np.sqrt(p * (1 - p) / n) + 5 / n)


def test_a_billion_equal_rewards_beside_a_variant_without_any():
    # By symmetry; the narrow one is 1e-9 wide, less than any panel of the other.
    assert best((0.5, 7e-10, 1e9), (0.5, 0.5, 2.0)) == pytest.approx((0.5, 0.5), abs=EXACT)
    # Two narrow ones share what the wide one leaves as if it were not there.
    below, above, _ = best((0.5, 7e-13, 1e12), (0.5 + 7e-13, 7e-13, 1e12), (0.5, 0.5, 2.0))
    exactly = ((0.5 + 7e-13) - 0.5) / (7e-13 * math.sqrt(2))
    assert above / (below + above) == pytest.approx(norm.cdf(exactly), abs=1e-6)


def test_equal_posteriors_get_equal_probabilities_to_the_bit():
    answer = best((0.3, 0.1, 9.0), (0.4, 0.2, 2.0), (0.3, 0.1, 9.0))
    assert answer[0] == answer[2]
    assert best(*[(0.5, 0.5, 2.0)] * 200) == pytest.approx([0.005] * 200, abs=1e-15)


@pytest.mark.parametrize("shape", [(0.5, 0.0, 2.0), (0.5, -1.0, 2.0), (0.5, 0.1, 0.0), (math.nan, 0.1, 2.0)])
def test_a_posterior_without_a_width_is_refused(shape):
    with pytest.raises(PolicyFailed):
        probability_of_best([(0.5, 0.5, 2.0), shape], StudentT)


_MEANS = st.floats(0, 1)
_SCALES = st.floats(1e-3, 1) | st.floats(1e-10, 1e-3)
_FREEDOMS = st.floats(2, 10) | st.floats(2, 1e9)
_STUDENTS = st.tuples(_MEANS, _SCALES, _FREEDOMS)


@given(st.lists(_STUDENTS, min_size=1, max_size=12))
def test_any_posteriors_give_a_distribution_that_follows_their_order(shapes):
    answer = best(*shapes)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert min(answer) >= 0
    assert best(*shapes[::-1])[::-1] == answer


@given(_STUDENTS, _STUDENTS)
def test_the_best_of_two_is_the_worst_of_two_mirrored(first, second):
    mirrored = best((-first[0], *first[1:]), (-second[0], *second[1:]))
    assert best(first, second) == pytest.approx(mirrored[::-1], abs=1e-7)
