"""What models keep of draws is bounded, evenly spread, and the same however the draws were cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.logged import Logged
from analysis.ope.models.rows import Kept, Names, thinned


def numbered(n):
    return Logged.of(("a",), np.zeros(n, np.int64), np.arange(float(n)), np.ones(n))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 20))
def test_kept_rows_are_every_so_manieth_and_no_more_than_allowed(lengths, most):
    kept, log, start = Kept(most), numbered(sum(lengths)), 0
    for length in lengths:
        kept.add(Names().rows(log[start : start + length]))
        start += length
    found = kept.rows().reward
    assert len(found) <= most
    # Half as many again would be too many, so at least half of what is allowed is there.
    assert len(found) >= min(len(log), most / 2)
    np.testing.assert_array_equal(found, thinned(log, most).reward)
    assert len(set(np.diff(found).tolist())) <= 1


def test_a_stream_is_fitted_on_as_many_rows_as_are_allowed():
    kept, log = Kept(100), numbered(1000)
    for block in log.blocks(7):
        kept.add(Names().rows(block))
    assert kept.n_seen == 1000
    np.testing.assert_array_equal(kept.rows().reward, np.arange(0, 1000, 16))
