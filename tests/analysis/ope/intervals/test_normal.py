"""The normal interval."""

import numpy as np
import pytest
from scipy import stats

from analysis.ope.intervals.normal import interval, p_value


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1e-6])
def test_its_ends_are_the_normal_quantiles(alpha):
    np.testing.assert_allclose(interval(2.0, 0.3, alpha), stats.norm(2.0, 0.3).ppf([alpha / 2, 1 - alpha / 2]))


def test_the_p_value_is_where_it_leaves_0_out():
    assert min(map(abs, interval(0.5, 0.3, p_value(0.5, 0.3)))) == pytest.approx(0, abs=1e-12)
