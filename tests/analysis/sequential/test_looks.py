from dataclasses import replace

import numpy as np

from analysis.lifts.moments import Moments
from analysis.sequential import looks
from tests.analysis.making_samples import cells, sample


def test_each_look_has_the_moments_of_the_first_subjects():
    rng = np.random.default_rng(1)
    n = 500
    found = sample(
        rng.normal(1e6, 1, n),
        rng.integers(0, 2, n),
        rng.integers(0, 3, n),
        per=rng.poisson(2, n).astype(float),
        covariates=rng.normal(size=(n, 2)),
    )
    ends = np.array([0, 40, 40, 333, 500])
    whole = cells(found)
    seen = list(looks.cumulative(found, whole, ends))
    columns = np.column_stack([found.values, found.per, found.covariates])
    for end, part in zip(ends, seen, strict=True):
        alone = Moments.of(columns[:end], found.label[:end], found.stratum[:end], (2, 3))
        np.testing.assert_array_equal(part.moments.n, alone.n)
        np.testing.assert_allclose(part.moments.mean, alone.mean, rtol=1e-12)
        np.testing.assert_allclose(part.moments.m2, alone.m2, rtol=1e-7, atol=1e-7)
        assert replace(part, moments=whole.moments) == whole


def test_cells_without_strata_take_the_sample_as_one():
    found = sample([1, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0])
    whole = cells(replace(found, stratum=np.zeros(4, np.int64)))
    (seen,) = looks.cumulative(found, whole, np.array([4]))
    np.testing.assert_allclose(seen.moments.mean, whole.moments.mean)
