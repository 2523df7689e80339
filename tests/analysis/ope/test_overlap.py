"""Segments: their numbers, which are shown, and where the log lacks what the target would draw."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.adaptive.encoding import MAX_LEVELS
from analysis.ope.overlap import MOST_FIELDS, Overlap
from analysis.ope.weighed import weighed
from tests.analysis.ope.drawn_logs import always, drawn, even, evidence, with_numbers, with_texts

K = 3
DEVICES = ("phone", "tv", "desk")


def column(grid, name):
    place = [str(each) for each in grid.columns].index(name)
    return [row[place] for row in grid.rows]


def names(grid):
    return [str(row[0]) for row in grid.rows]


def by_device(n=900, p=None, seed=0, **kwargs):
    codes = np.arange(n) % 3
    return with_texts(drawn(even(n, K) if p is None else p, 0.4, seed, **kwargs), codes, DEVICES)


def lacking_on_tv(n=900):
    """The third variant is never drawn on a tv."""
    p = even(n, K).copy()
    p[np.arange(n) % 3 == 1] = [0.5, 0.5, 0.0]
    return p


def test_a_segment_has_the_numbers_of_its_draws():
    log = by_device()
    grid = evidence(log, always(0, K), n=100).overlap()
    w = np.where(log.variant == 0, 3.0, 0.0)
    own = [w[log.context.codes[:, 0] == code] for code in range(3)]
    assert names(grid) == ["device = desk", "device = phone", "device = tv"]
    desk, phone, tv = own[2], own[0], own[1]
    assert [each.value for each in column(grid, "Draws")] == [300, 300, 300]
    assert [each.value for each in column(grid, "Mean weight")] == pytest.approx([w.mean() for w in (desk, phone, tv)])
    effective = [round(w.sum() ** 2 / (w**2).sum()) for w in (desk, phone, tv)]
    assert [each.value for each in column(grid, "Effective draws")] == effective
    assert {each.value for each in column(grid, "Largest weight")} == {3.0}
    assert {each.value for each in column(grid, "Share without support")} == {0.0}
    assert {str(each) for each in column(grid, "By itself")} == {"covered"}


def test_a_segment_in_which_the_log_lacks_what_the_target_wants_is_flagged():
    grid = evidence(by_device(p=lacking_on_tv()), np.array([0.4, 0.4, 0.2])).overlap()
    words = dict(zip(names(grid), map(str, column(grid, "By itself")), strict=True))
    assert words == {"device = phone": "covered", "device = desk": "covered", "device = tv": "not evaluable"}
    lacking = dict(zip(names(grid), column(grid, "Share without support"), strict=True))
    assert lacking["device = tv"].value == pytest.approx(0.2)


def test_the_mean_weight_tells_where_there_are_no_distributions():
    found = evidence(by_device(3000, lacking_on_tv(3000), with_all=False), np.array([0.3, 0.3, 0.4]))
    assert [str(each) for each in found.segments.gaps()] == ["device = tv"]
    assert "in 1 segment" in str(found.verdict().reasons[-1])
    assert set(column(found.overlap(), "Share without support")) == {None}


@pytest.mark.parametrize("seed", range(20))
def test_sound_segments_are_not_flagged(seed):
    """Each of 20 logs of three segments raises a false alarm in one of 10,000, if their mean weights are normal."""
    assert evidence(by_device(seed=seed), always(0, K)).segments.gaps() == []


def test_units_that_keep_their_draw_are_no_gap():
    """Of 24 units each has 125 draws that are all alike: the mean weight of a segment's 8 is off by a third easily."""
    logs = [kept_by_unit(24, 125, seed) for seed in range(10)]
    apart = [evidence(replace(log, unit=np.arange(len(log))), always(0, K)) for log in logs]
    together = [evidence(log, always(0, K)) for log in logs]
    flagged = [
        sum(any(each.key == "ope.verdict.gaps" for each in found.verdict().reasons) for found in several)
        for several in (apart, together)
    ]
    assert flagged[0] > 5
    assert flagged[1] == 0


def kept_by_unit(n_units, per_unit, seed):
    log = by_device(n_units * per_unit, seed=seed)
    unit = np.arange(len(log)) // per_unit
    context = replace(log.context, codes=(unit % 3)[:, None])
    return replace(log, variant=log.variant[unit * per_unit], unit=unit, context=context)


def test_a_small_segment_says_too_little_by_itself():
    log = with_texts(drawn(even(500, K), 0.4), (np.arange(500) < 20).astype(np.int64), ("most", "few"))
    words = [str(each) for each in column(evidence(log, even(500, K)).overlap(), "By itself")]
    assert words == ["covered", "too few draws"]


def test_missing_and_rare_values_are_segments_of_their_own():
    codes = np.concatenate([np.full(50, -1), np.repeat(np.arange(20), np.arange(40, 20, -1))])
    log = with_texts(drawn(even(len(codes), K), 0.4), codes, tuple(f"w{place}" for place in range(20)))
    grid = evidence(log, even(len(codes), K), n=37).overlap()
    assert names(grid)[0] == "without device"
    assert names(grid)[-1] == "other values of device"
    assert len(grid.rows) == MAX_LEVELS + 1
    assert sum(each.value for each in column(grid, "Draws")) == len(codes)


def test_a_flag_is_cut_by_and_a_number_with_many_values_is_not():
    n = 400
    flag = np.where(np.arange(n) % 5 == 0, np.nan, np.arange(n) % 2)
    log = drawn(even(n, K), 0.4)
    assert names(evidence(with_numbers(log, flag), always(0, K), n=50).overlap()) == [
        "flag = 0",
        "flag = 1",
        "without flag",
    ]
    assert evidence(with_numbers(log, np.arange(n) / 7), always(0, K)).overlap() is None
    assert evidence(with_numbers(log, np.arange(n) // 3.0), always(0, K), n=30).overlap() is None


def test_a_field_that_never_varies_is_no_segment():
    log = with_texts(drawn(even(50, K), 0.4), np.zeros(50, np.int64), ("same",))
    assert evidence(log, always(0, K)).overlap() is None


def test_words_are_the_same_whatever_their_codes_are_in_a_block():
    log = by_device()
    turned = with_texts(log, 2 - log.context.codes[:, 0], DEVICES[::-1])
    both = evidence(log, always(0, K)) + evidence(turned, always(0, K))
    assert [each.value for each in column(both.overlap(), "Draws")] == [600, 600, 600]


def test_only_the_first_fields_are_cut_by():
    log = by_device(30)
    part = weighed(log, np.tile(always(0, K), (30, 1)))
    found = Overlap()
    for place in range(MOST_FIELDS + 5):
        found += _alone(log, part, f"field{place:02}")
    assert len(found.fields) == MOST_FIELDS


def _alone(log, part, name):
    found = Overlap()
    found.add(with_texts(log, log.context.codes[:, 0], DEVICES, name), part)
    return found


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 200), cut=st.integers(0, 200), block=st.integers(1, 60), seed=st.integers(0, 99))
def test_two_logs_add_up_to_what_both_say_together(n, cut, block, seed):
    rng = np.random.default_rng(seed)
    log = with_texts(drawn(even(n, K), 0.4, seed), rng.integers(-1, 30, n), tuple(map(str, range(30))))
    parts = evidence(log[:cut], always(0, K), block) + evidence(log[cut:], always(0, K), block)
    one, other = parts.overlap(), evidence(log, always(0, K)).overlap()
    if other is None:
        assert one is None
        return
    assert names(one) == names(other)
    for shown, expected in zip(one.rows, other.rows, strict=True):
        assert [each.value for each in shown[1:-1]] == pytest.approx([each.value for each in expected[1:-1]])
