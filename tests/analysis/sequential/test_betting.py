from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.sequential import betting
from tests.analysis.making_samples import HALVES

CONTRAST = np.array([-1.0, 1.0])
ALPHA = 0.05


def scored(values, label, probabilities=HALVES, stratum=None, value_range=(0.0, 1.0), contrast=CONTRAST):
    stratum = np.zeros(len(values), np.int64) if stratum is None else np.asarray(stratum)
    return betting.scores(
        np.asarray(values, float), np.asarray(label), stratum, probabilities, contrast, value_range=value_range
    )


def visits(rng, n, rates=(0.2, 0.3), share=0.5):
    label = (rng.random(n) < share).astype(np.int64)
    return (rng.random(n) < np.array(rates)[label]).astype(float), label


def at_the_end(found, n_planned=1_000, alpha=ALPHA):
    held = betting.sequence(found, np.array([len(found)]), n_planned, alpha)
    return held.mean[0], held.low[0], held.high[0], held.p_value[0]


def wealth(found, difference, n_planned=1_000):
    """Return the wealth of the mixture after each subject by its definition, a bet and a subject at a time."""
    offered = betting.bets(found.bound[0], found.reach, n_planned)
    total = 0.0
    for rate, log_share in zip(offered.rates, offered.log_shares, strict=True):
        gains = (1 + rate * found.residual) * np.exp(rate * (found.predicted - difference))
        total = total + np.exp(log_share) * np.cumprod(gains)
    return total


def test_scores_by_hand():
    found = scored([1, 0, 1], [1, 0, 1])
    # Before the first, both means are taken to be 1/2, as if seen once: then 3/4 for label 1, then 1/4 for label 0.
    np.testing.assert_allclose(found.predicted, [0, 0.75 - 0.5, 0.75 - 0.25])
    np.testing.assert_allclose(found.residual, [0.5 / 0.5, 0.5 / 0.5, 0.25 / 0.5])
    np.testing.assert_allclose(found.bound, 2)
    assert found.reach == 1


def test_the_ends_are_where_the_wealth_reaches_its_limit():
    rng = np.random.default_rng(1)
    found = scored(*visits(rng, 400))
    mean, low, high, p_value = at_the_end(found)
    assert low < mean < high
    assert [wealth(found, end)[-1] for end in (low, high)] == pytest.approx([1 / ALPHA] * 2, rel=1e-9)
    assert wealth(found, mean)[-1] < 1
    assert p_value == pytest.approx(min(1, 1 / wealth(found, 0.0)[-1]), rel=1e-9)


@pytest.mark.parametrize("share", [(0.5, 0.5, 0.5), (0.2, 0.9, 0.5)])
@pytest.mark.parametrize("rates", [((0.3, 0.6),) * 3, ((0.1, 0.9), (0.8, 0.2), (0.5, 0.5))])
def test_no_bet_can_be_expected_to_gain_whatever_drifts(share, rates):
    """All possible logs of three subjects, each with its own probabilities and its own difference, weighed."""
    probabilities = np.array([[1 - p, p] for p in share])
    differences = [plus - minus for minus, plus in rates]
    expected = np.zeros(3)
    for labels in product((0, 1), repeat=3):
        for values in product((0, 1), repeat=3):
            chance = np.prod(
                [
                    (share[i] if label else 1 - share[i]) * (rates[i][label] if value else 1 - rates[i][label])
                    for i, (label, value) in enumerate(zip(labels, values, strict=True))
                ]
            )
            found = scored(values, labels, probabilities, [0, 1, 2])
            found = betting.Scores(found.row, found.predicted, found.residual, np.full(3, 10.0), found.reach)
            gains = [wealth(found, np.mean(differences[: n + 1]))[n] for n in range(3)]
            expected += chance * np.array(gains)
    assert (expected <= 1 + 1e-12).all()
    assert expected.min() > 0.9


def test_an_earlier_look_sees_what_had_come_by_then():
    rng = np.random.default_rng(2)
    values, label = visits(rng, 600)
    found = scored(values, label)
    ends = np.array([0, 150, 150, 600])
    held = betting.sequence(found, ends, 1_000, ALPHA)
    assert (held.low[0], held.high[0], held.p_value[0]) == (-1, 1, 1)
    alone = at_the_end(scored(values[:150], label[:150]))
    for place in (1, 2):
        seen = [held.mean[place], held.low[place], held.high[place], held.p_value[place]]
        np.testing.assert_allclose(seen, alone, rtol=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40), st.floats(0.01, 0.3))
def test_it_is_within_reach_and_contains_its_mean(rows, alpha):
    values, label = map(np.array, zip(*rows, strict=True))
    mean, low, high, p_value = at_the_end(scored(values, label), alpha=alpha)
    assert -1 <= low <= high <= 1
    assert low - 1e-9 <= np.clip(mean, -1, 1) <= high + 1e-9
    assert 0 < p_value <= 1
    if min(abs(low), abs(high)) > 1e-6:
        assert (p_value < alpha) is not (low < 0 < high)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-20, 20))
def test_it_follows_the_unit_of_measure(seed, scale, shift):
    values, label = visits(np.random.default_rng(seed), 200)
    plain = at_the_end(scored(values, label))
    moved = at_the_end(scored(scale * values + shift, label, value_range=(shift, scale + shift)))
    np.testing.assert_allclose(moved[:3], np.array(plain[:3]) * scale, rtol=1e-6, atol=1e-6 * scale)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_the_other_way_round_is_the_mirror_image(seed):
    values, label = visits(np.random.default_rng(seed), 200, share=0.3)
    probabilities = np.array([[0.7, 0.3]])
    mean, low, high, p_value = at_the_end(scored(values, label, probabilities))
    back = at_the_end(scored(values, label, probabilities, contrast=-CONTRAST))
    np.testing.assert_allclose(back, (-mean, -high, -low, p_value), rtol=1e-9, atol=1e-12)


def test_a_smaller_error_is_a_wider_interval():
    found = scored(*visits(np.random.default_rng(3), 2_000))
    widths = [high - low for _, low, high, _ in (at_the_end(found, alpha=alpha) for alpha in (0.2, 0.05, 0.01))]
    assert widths == sorted(widths)


def test_where_a_label_could_not_be_drawn_nothing_is_learned():
    rng = np.random.default_rng(4)
    values, label = visits(rng, 300)
    stratum = np.repeat([0, 1], 150)
    label[150:] = 0
    found = scored(values, label, np.array([[0.5, 0.5], [1.0, 0.0]]), stratum)
    assert found.row.tolist() == list(range(150))
    np.testing.assert_allclose(at_the_end(found), at_the_end(scored(values[:150], label[:150])))
    held = betting.sequence(found, np.array([150, 300]), 1_000, ALPHA)
    assert held.low[0] == held.low[1]


def test_bets_that_could_lose_all_later_are_given_up():
    rng = np.random.default_rng(5)
    values, label = visits(rng, 400)
    stratum = np.repeat([0, 1], [399, 1])
    rare = np.array([[0.5, 0.5], [0.99, 0.01]])
    label[-1] = 0
    mean, low, high, _ = at_the_end(scored(values, label, rare, stratum))
    assert low < mean < high
    assert high - low > at_the_end(scored(values, label))[2] - at_the_end(scored(values, label))[1]


def test_a_probability_too_small_for_any_bet_leaves_the_whole_range():
    found = scored([1, 0, 1], [1, 0, 1], np.array([[0.5, 0.5], [1e-9, 1 - 1e-9]]), [0, 1, 0])
    assert at_the_end(found)[1:] == (-1, 1, 1)


def test_mixes_of_variants_compare_as_well():
    rng = np.random.default_rng(6)
    label = rng.integers(0, 4, 40_000)
    values = (rng.random(40_000) < np.array([0.1, 0.2, 0.3, 0.4])[label]).astype(float)
    contrast = np.array([-0.5, -0.5, 0.5, 0.5])
    found = scored(values, label, np.full((1, 4), 0.25), contrast=contrast)
    assert found.reach == 1
    np.testing.assert_allclose(found.bound, 2)
    mean, low, high, _ = at_the_end(found, 40_000)
    assert low < 0.2 < high
    # Five standard errors of a score with a variance of at most 4 * 0.25.
    assert abs(mean - 0.2) < 5 * np.sqrt(1 / 40_000)


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("rate", [0.3, 0.05])
def test_its_width_beside_the_one_for_one_look(share, rate):
    """The mean width is as expected, and at most 1.75 of the fixed one (20,000 units, as many as planned)."""
    rng = np.random.default_rng(7)
    error = np.sqrt(rate * (1 - rate) * (1 / share + 1 / (1 - share)) / 20_000)
    offered = betting.bets(1 / share, 1.0, 20_000)
    expected = betting.half_width(error, 20_000, offered, 1.0, ALPHA)
    halves = []
    for _ in range(20):
        found = scored(*visits(rng, 20_000, (rate, rate), share), np.array([[1 - share, share]]))
        _, low, high, _ = at_the_end(found, 20_000)
        halves.append((high - low) / 2)
    assert np.mean(halves) == pytest.approx(expected, rel=0.05)
    assert np.mean(halves) < 1.75 * 1.96 * error
