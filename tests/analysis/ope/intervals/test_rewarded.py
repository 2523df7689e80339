"""Effective numbers of rewarded draws."""

import numpy as np
import pytest

from analysis.ope.intervals import rewarded
from analysis.ope.intervals.rewarded import Rewarded
from tests.analysis.ope.intervals.drawing import always_one_of


def test_the_kind_with_fewest_counts():
    part = always_one_of(2, 0.9).draw(400, np.random.default_rng(1))
    happened = part.reward == 1
    # The target takes one of two: its draws all weigh 2.
    with_one, without = ((part.weight > 0) & each for each in (happened, ~happened))
    for is_share, expected in ((False, with_one.sum()), (True, without.sum())):
        sizes = rewarded.sizes(part, is_share=is_share, is_difference=False)
        assert len(sizes) == rewarded.n_kinds(is_share=is_share, is_difference=False)
        assert Rewarded.none(len(sizes)).with_sizes(sizes).effective == pytest.approx(expected)
    # Nothing speaks for the other side of a difference.
    sizes = rewarded.sizes(part, is_share=False, is_difference=True)
    assert Rewarded.none(2).with_sizes(sizes).effective == 0


def test_when_there_first_was_enough_does_not_depend_on_the_cut():
    sizes = np.random.default_rng(2).exponential(size=(2, 300))
    whole = Rewarded.none(2).reaches(sizes, 40)[0]
    for cut in (1, 30, int(whole)):
        before = Rewarded.none(2).with_sizes(sizes[:, :cut])
        assert before.reaches(sizes[:, cut:], 40)[0] + cut == whole
    assert not len(Rewarded.none(2).reaches(sizes, 400))
