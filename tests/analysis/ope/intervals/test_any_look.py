"""Values and differences that hold at any look: which sequence, when it is silent, and that it holds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimate import Holds, Scale, Validity
from analysis.ope.intervals.any_look import AnyLook
from analysis.ope.logged import Collection
from analysis.texts import text
from tests.analysis.ope.intervals import learning
from tests.analysis.ope.intervals.drawing import World, always_one_of

CLICKS = Collection(value_range=(0.0, 1.0), is_share=True, n_planned=2_000)
REWARD = text("ope.reward")
LOOKS = 30
TWINS = World(np.full(2, 0.5), np.full(2, 0.5), np.full(2, 0.3), np.full(2, 0.3), np.full(2, 0.5))


def seen(parts, collection=CLICKS, *, is_difference=False):
    found = AnyLook(collection, is_difference=is_difference)
    for part in parts:
        found.add(part)
    return found


def estimate(part, collection=CLICKS, *, is_difference=False, **options):
    return seen([part], collection, is_difference=is_difference).estimate(REWARD, Scale.SHARE, **options)


def drawn(n=2_000, world=None, **options):
    return (world or always_one_of(4, 0.3)).draw(n, np.random.default_rng(1), **options)


def test_which_one_is_a_matter_of_what_is_declared():
    assert estimate(drawn()).holds is Holds.ALWAYS
    unbounded = replace(CLICKS, value_range=None)
    assert estimate(drawn(collection=unbounded), unbounded).holds is Holds.ALWAYS_IN_THE_LIMIT
    assert estimate(drawn(is_whole=False)).holds is Holds.ALWAYS_IN_THE_LIMIT
    assert estimate(drawn(), replace(CLICKS, n_planned=50)).holds is Holds.ALWAYS


def test_a_reward_outside_of_its_range_leaves_the_asymptotic_one_and_says_so():
    part = drawn()
    found = estimate(replace(part, reward=np.where(part.weight > 0, 2 * part.reward, part.reward)))
    assert found.holds is Holds.ALWAYS_IN_THE_LIMIT
    assert found.note.key == "sequence.departs"


@pytest.mark.parametrize("is_whole", [True, False])
def test_it_is_within_the_range_and_wider_than_for_one_look(is_whole):
    part = drawn(is_whole=is_whole)
    found = estimate(part)
    assert 0 <= found.low < found.value < found.high <= 1
    assert found.value == pytest.approx(part.score.mean(), rel=1e-9)
    error = part.score.std() / np.sqrt(len(part))
    assert 1.5 < (found.high - found.low) / (2 * 1.96 * error) < 1.8


def test_a_surer_interval_is_wider_and_a_p_value_fits_the_interval():
    world = World(np.full(2, 0.5), np.array([1.0, 0.0]), np.array([0.5, 0.4]), np.full(2, 0.45), np.array([0.0, 1.0]))
    for is_whole in (True, False):
        part = drawn(world=world, is_whole=is_whole)
        plain = estimate(part, is_difference=True)
        wider = estimate(part, is_difference=True, level=0.99)
        assert wider.low < plain.low < plain.high < wider.high
        half = estimate(part, is_difference=True, family=2)
        assert wider.low < half.low < plain.low
        assert estimate(part).p_value is None
        assert (plain.p_value < 0.05) is (plain.low > 0)
        assert (wider.p_value < 0.01) is (wider.low > 0)


def test_nothing_yet_is_said_and_not_guessed():
    for found in (seen([]), seen([drawn()[:0]])):
        none = found.estimate(REWARD, Scale.SHARE)
        assert (none.value, none.n, none.validity) == (None, 0, Validity.NOT_EVALUABLE)
        assert none.note.key == "ope.sequence.nothing"
    one = estimate(drawn()[:1])
    assert one.interval is None
    assert one.value is not None
    assert one.note.key == "sequence.whole_range"


def test_the_asymptotic_one_is_silent_until_enough_rewarded_draws_on_both_sides():
    unbounded = replace(CLICKS, value_range=None)
    # Always the first of four, at a rate of .3: after n draws about .075 n rewarded ones of one weight.
    assert estimate(drawn(150), unbounded).note.key == "ope.sequence.silent"
    assert estimate(drawn(500), unbounded).interval is not None
    # Amounts need more: the same draws are silent.
    assert estimate(drawn(500), replace(unbounded, is_share=False)).interval is None
    rare = World(np.array([0.9, 0.1]), np.array([1.0, 0.0]), np.full(2, 0.1), np.full(2, 0.1), np.array([0.0, 1.0]))
    one_side = drawn(1_000, rare)
    assert estimate(one_side, unbounded).interval is not None
    assert estimate(one_side, unbounded, is_difference=True).interval is None


def test_scores_that_are_all_alike_have_no_asymptotic_one():
    part = replace(drawn(1_000, is_whole=False), score=np.full(1_000, 0.3))
    assert estimate(part).note.key == "ope.sequence.alike"


def test_a_policy_and_itself_differ_by_nothing_for_certain():
    found = estimate(drawn(10, TWINS), is_difference=True)
    assert (found.low, found.value, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert found.method.key == "ope.sequence.exact"
    # Whoever knows the propensities alone cannot know it.
    assert estimate(drawn(10, TWINS, is_whole=False), is_difference=True).interval is None


def test_no_match_at_all_says_what_the_model_says_only_as_far_as_chance_allows():
    """None of the target's draws in a hundred, each with a chance of a fourth: it was bound to bring something."""
    part = drawn(100, World(np.array([0.25, 0.75]), np.array([1.0, 0.0]), np.full(2, 0.3), np.full(2, 0.3)))
    found = estimate(part[part.weight == 0])
    assert found.value == pytest.approx(0.3)
    assert found.interval is None or found.low < 0.3 < found.high


def test_what_has_no_support_moves_the_ends_outwards():
    part = drawn()
    plain = estimate(part)
    share = estimate(replace(part, unsupported=np.full(len(part), 0.1)))
    assert (share.low, share.high) == pytest.approx((plain.low - 0.1, plain.high + 0.1))
    # A target without any support: no draw could say anything, and neither can this.
    nothing = np.zeros(len(part))
    lost = replace(part, weight=nothing, score=part.expected, below=nothing, above=nothing, unsupported=nothing + 1)
    assert estimate(lost).note.key == "sequence.whole_range"


def test_looks_are_what_an_estimate_was_then():
    part = drawn(900)
    for whole in (part, drawn(900, is_whole=False)):
        looks = seen([whole[:10], whole[10:400], whole[400:]]).looks()
        assert looks.n.tolist() == [10, 400, 900]
        then = [seen([whole[:n]]).estimate(REWARD, Scale.SHARE) for n in (10, 400, 900)]
        low = [np.nan if each.low is None else each.low for each in then]
        np.testing.assert_allclose(looks.low, low, atol=1e-9)
        np.testing.assert_allclose(looks.value[1:], [each.value for each in then[1:]], atol=1e-9)
    assert seen([]).looks().n.shape == (0,)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 600), max_size=8), st.booleans(), st.booleans())
def test_where_a_log_is_cut_changes_nothing(cuts, is_whole, is_difference):
    run = learning.run(
        np.random.default_rng(3), 600, np.array([0.2, 0.5]), is_whole=is_whole, is_difference=is_difference
    )
    pieces = [run.part[rows] for rows in np.split(np.arange(600), sorted(cuts))]
    cut = seen(pieces, is_difference=is_difference).estimate(REWARD, Scale.SHARE)
    whole = estimate(run.part, is_difference=is_difference)
    assert (cut.low, cut.value, cut.high) == pytest.approx((whole.low, whole.value, whole.high), abs=1e-9)


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("is_difference", [False, True])
@pytest.mark.parametrize(("rates", "wave"), [((0.3, 0.5), 0.0), ((0.02, 0.03, 0.03), 0.0), ((0.3, 0.4), 0.8)])
def test_at_thirty_looks_at_a_policy_that_learns_it_misses_in_at_most_one_of_twenty(
    rates, wave, is_difference, is_whole
):
    """Of 80 runs more than 11 miss with a chance below 1 in 1,000, if each misses in one of 20."""
    n_runs, n = 80, 1_500
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(n_runs):
        run = learning.run(rng, n, np.array(rates), wave=wave, is_difference=is_difference, is_whole=is_whole)
        found = seen(_pieces(run.part), is_difference=is_difference)
        looks = found.looks()
        truth = run.truth[looks.n - 1]
        missed += bool(((truth < looks.low) | (truth > looks.high)).any())
    assert missed <= stats.binom.ppf(0.999, n_runs, 0.05)


@pytest.mark.parametrize(("rate", "k"), [(0.3, 4), (0.1, 10), (0.03, 4)])
def test_its_width_beside_the_normal_one_with_the_true_variance(rate, k):
    """At most 1.75 at the planned number, in the mean of ten runs: its own deviation is below .02 there."""
    n, world, rng = 20_000, always_one_of(k, rate), np.random.default_rng(5)
    normal = 1.96 * world.deviation / np.sqrt(n)
    planned = replace(CLICKS, n_planned=n)
    widths = [estimate(world.draw(n, rng), planned) for _ in range(10)]
    assert np.mean([each.high - each.low for each in widths]) / (2 * normal) < 1.75


def _pieces(part):
    return [part[rows] for rows in np.array_split(np.arange(len(part)), LOOKS)]
