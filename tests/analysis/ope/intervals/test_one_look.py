"""The interval at one look: which one, what it allows for, and that it holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.estimate import Holds, Scale, Validity
from analysis.ope import totals
from analysis.ope.estimators.dr import Dr
from analysis.ope.intervals.one_look import MIN_REWARDED, NAMES, OneLook
from analysis.ope.logged import Collection, Logged
from analysis.ope.totals import Totals, standard_error
from analysis.ope.weighed import Weighed, on_policy, weighed
from analysis.texts import text
from engine.errors import InvalidRequest
from tests.analysis.ope.intervals.drawing import FIXED, World, always_one_of

NO_RANGE = Collection(is_adaptive=False)
LEARNED = Collection(is_adaptive=True, value_range=(0.0, 1.0))
OF = text("ope.reward")
SOFT = World(
    p=np.array([0.5, 0.3, 0.15, 0.05]),
    pi=np.array([0.1, 0.2, 0.3, 0.4]),
    rate=np.array([0.2, 0.4, 0.3, 0.6]),
    q=np.array([0.25, 0.35, 0.35, 0.5]),
)
PAIR = replace(SOFT, other=np.array([0.4, 0.4, 0.1, 0.1]))


def look(part, collection=FIXED, **settings):
    found = OneLook(collection, **settings)
    found.add(part)
    return found


def told(part, collection=FIXED, name="gamma", **settings):
    return look(part, collection, **settings).estimate_by(name, OF)


def why(found):
    assert found.validity is Validity.NOT_EVALUABLE
    assert found.interval is None
    return found.note.key.removeprefix("ope.interval.")


def drawn(n=400, world=SOFT, seed=1, **settings):
    return world.draw(n, np.random.default_rng(seed), **settings)


def of_units(part, unit):
    return replace(part, unit=np.asarray(unit))


def test_the_value_is_the_mean_score_and_the_method_names_both():
    part = drawn()
    found = look(part).estimate(OF, Scale.SHARE)
    assert found.value == pytest.approx(part.score.mean(), rel=1e-12)
    assert (found.n, found.method.key, found.scale, found.holds) == (400, "ope.interval.gamma", Scale.SHARE, Holds.ONCE)
    assert found.low < found.value < found.high
    assert found.p_value is None


@pytest.mark.parametrize("name", NAMES)
def test_every_interval_can_be_asked_for(name):
    found = told(drawn(2000), name=name)
    assert found.method.key == f"ope.interval.{name}"
    assert found.low < SOFT.truth < found.high


def test_the_normal_one_is_the_delta_method_by_unit():
    part = of_units(drawn(), np.arange(400) // 3)
    found = told(part, name="normal")
    error = standard_error(Totals.of([part.score], part.unit), Dr())
    assert found.high - found.value == pytest.approx(stats.norm.isf(0.025) * error, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("repeats", [1, 3])
def test_blocks_and_logs_add_up(name, repeats):
    part = of_units(drawn(1000), np.arange(1000) // repeats)
    whole = look(part)
    blocks = OneLook(FIXED)
    for start in range(0, 600, 200):
        blocks.add(part[start : start + 200])
    added = blocks + look(part[600:]) + OneLook(FIXED)
    one, other = (each.estimate_by(name, OF) for each in (whole, added))
    if one.interval is None:
        assert one.note == other.note
    else:
        np.testing.assert_allclose([one.value, *one.interval], [other.value, *other.interval], rtol=1e-9)


def test_the_third_moment_is_the_same_by_unit_and_by_draw():
    part = drawn(300)
    together = Totals.of([part.score, part.score**2])
    by_draw = OneLook(FIXED, totals=together, unseen=look(part).unseen).estimate(OF)
    np.testing.assert_allclose(told(part).interval, by_draw.interval, rtol=1e-9)


def test_very_many_units_are_counted_by_groups(monkeypatch):
    """20,000 units that ascend, and then ten of them again: 2,000 groups know the spread to sqrt(2 / 2,000)."""
    part = of_units(drawn(20_010), np.r_[np.arange(20_000), np.arange(10)])
    exact = told(part)
    monkeypatch.setattr(totals, "_MANY", 5_000)
    monkeypatch.setattr(totals, "_N_GROUPS", 2_000)
    found = OneLook(FIXED)
    for start in range(0, 20_010, 1_000):
        found.add(part[start : start + 1_000])
    assert found.totals.has_groups
    for name in ("gamma", "normal", "bootstrap"):
        grouped = found.estimate_by(name, OF)
        assert grouped.value == pytest.approx(exact.value, rel=1e-12)
        # The bootstrap's ends move by 3 % of the width themselves.
        assert grouped.high - grouped.low == pytest.approx(exact.high - exact.low, rel=4 * np.sqrt(2 / 2_000))
    assert why(found.estimate_by("bernstein", OF)) == "repeats"


def test_a_difference_has_the_p_value_of_its_interval():
    found = look(drawn(3000, PAIR), is_difference=True).estimate(OF)
    assert 0 < found.p_value <= 1
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)


def test_without_one_reward_the_upper_end_is_the_exact_one_of_no_hits():
    """Of 2,000 draws a hundred matched and none was clicked: 20 times the count that brings none in a 40th of logs."""
    world = always_one_of(20, 0.009, predicted=0.0)
    part = world.draw(2000, np.random.default_rng(3))
    part = replace(part, reward=np.zeros(2000), score=np.zeros(2000))
    found = told(part)
    assert found.low == 0.0
    assert found.high == pytest.approx(20 * -np.log(0.025) / 2000, rel=1e-6)


def test_a_constant_reward_is_not_certain_before_many_draws_say_so():
    n = 50
    log = Logged.of(("a",), np.zeros(n, int), np.ones(n), np.ones(n), probabilities=np.ones((n, 1)), collection=FIXED)
    found = told(weighed(log, np.ones((n, 1))))
    assert found.high == 1.0
    assert found.low == pytest.approx(1 + np.log(0.025) / n, rel=1e-6)


@pytest.mark.parametrize("collection", [FIXED, NO_RANGE, LEARNED])
def test_a_policy_and_itself_do_not_differ_for_certain(collection):
    part = drawn(30, replace(SOFT, other=SOFT.pi), collection=collection)
    found = look(part, collection, is_difference=True).estimate(OF)
    assert (found.value, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, None)


def test_ends_stop_where_values_do_but_not_short_of_the_estimate():
    part = drawn(20)
    low, high = told(part).interval
    assert 0.0 <= low < high <= 1.0
    beyond = replace(part, score=part.score + 1.05 - part.score.mean())
    assert told(beyond).low < 1.0 < told(beyond).high == pytest.approx(1.05)
    assert look(drawn(10, PAIR), is_difference=True).estimate(OF).low >= -1.0


def test_where_the_log_has_nothing_any_reward_is_possible():
    part = drawn()
    found, blind = told(part), told(replace(part, unsupported=np.full(400, 0.1)))
    assert blind.low == pytest.approx(max(found.low - 0.1, 0.0), abs=1e-12)
    assert blind.high == pytest.approx(found.high + 0.1, abs=1e-12)
    assert blind.note.key == "ope.interval.unsupported"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("collection", [FIXED, NO_RANGE])
def test_an_empty_log_and_one_unit_say_nothing(name, collection):
    assert why(told(drawn(0), collection, name)) == "nothing"
    assert why(OneLook(collection).estimate_by(name, OF)) == "nothing"
    assert why(told(drawn(1), collection, name)) == "one_unit"
    assert why(told(of_units(drawn(9), np.zeros(9, int)), collection, name)) == "one_unit"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("world", [SOFT, PAIR, always_one_of(20, 0.009)])
def test_few_draws_give_an_interval_with_width_or_a_reason(name, n, world):
    found = told(drawn(n, world), name=name, is_difference=world.other is not None)
    assert found.note is not None if found.interval is None else found.low < found.high


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_all_0_say_nothing_or_the_whole_range(name):
    """The target's variant was never drawn, though it could have been."""
    part = drawn(10, always_one_of(20, 0.009))
    part = replace(part, weight=np.zeros(10), score=part.expected)
    found = told(part, name=name)
    assert why(found) == "alike" if name in ("normal", "bootstrap") else found.interval == pytest.approx((0.0, 1.0))
    unknown = np.full(10, np.nan)
    unseen = replace(part, largest=unknown, noise=unknown, below=unknown, above=unknown)
    assert why(told(unseen, name=name)) == "no_match"


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_one_huge_weight_leaves_all_above_open_or_nothing(reward):
    """A weight of 1e9 comes once in as many draws. Where it brings a reward, no value in the range explains it."""
    part = drawn(1000)
    rows = np.arange(1000) == 5
    weight = np.where(rows, 1e9, part.weight)
    score = np.where(rows, part.expected + weight * reward, part.score)
    largest = np.maximum(part.largest, weight)
    part = replace(part, weight=weight, score=score, largest=largest, noise=largest, above=largest)
    found = told(part)
    if reward:
        assert why(found) == "outside"
    else:
        assert found.low < found.value
        assert found.high == 1.0


def test_numbers_beyond_float64_are_refused_in_words():
    part = drawn(50)
    huge = part.score * 1e200
    with np.errstate(over="ignore", invalid="ignore"):
        assert why(told(replace(part, score=huge, weight=huge, reward=huge))) == "too_large"


def test_infinite_variance_of_weights_gives_finite_ends():
    weight = np.random.default_rng(2).pareto(1.1, 500) / 10
    part = replace(drawn(500), weight=weight, score=weight * 0.5, reward=np.full(500, 0.5))
    unknown = np.full(500, np.nan)
    part = replace(part, expected=np.zeros(500), largest=unknown, noise=unknown, below=unknown, above=unknown)
    found = told(part)
    assert 0.0 <= found.low < found.high


def test_without_whole_distributions_the_own_weights_say_what_could_have_been():
    """For a target that always takes one variant of a uniform logger these are the same weights."""
    world = always_one_of(5, 0.3, predicted=0.0)
    known, unknown = (drawn(500, world, is_whole=is_whole) for is_whole in (True, False))
    assert told(known).interval == pytest.approx(told(unknown).interval, rel=1e-12)
    mine = Logged.of(("a",), np.zeros(90, int), np.ones(90), np.ones(90), collection=FIXED)
    assert told(on_policy(mine)).low == pytest.approx(1 + np.log(0.025) / 90, rel=1e-6)


def test_without_a_range_it_needs_rewarded_draws_and_a_spread():
    part = drawn(900, collection=NO_RANGE)
    gains = part.weight * part.reward
    assert gains.sum() ** 2 / (gains**2).sum() > MIN_REWARDED
    found = told(part, NO_RANGE)
    assert found.note.key == "ope.interval.large_samples"
    assert found.low < found.value < found.high
    assert why(told(part[:20], NO_RANGE)) == "few_rewarded"
    against = replace(part, weight=np.where(np.arange(900) < 890, part.weight, -0.1))
    assert why(told(against, NO_RANGE, is_difference=True)) == "few_rewarded"
    assert why(told(replace(part, reward=np.zeros(900)), NO_RANGE)) == "few_rewarded"
    assert why(told(replace(part, weight=np.zeros(900)), NO_RANGE)) == "few_rewarded"
    same = on_policy(Logged.of(("a",), np.zeros(90, int), np.full(90, 7.0), np.ones(90), collection=NO_RANGE))
    assert why(told(same, NO_RANGE)) == "alike"
    assert why(told(replace(part, unsupported=np.ones(900)), NO_RANGE)) == "no_support"


@pytest.mark.parametrize("name", ["bootstrap", "bernstein", "cressie_read"])
def test_logs_of_a_policy_that_learned_have_no_interval_for_independent_draws(name):
    part = drawn()
    assert why(told(part, LEARNED, name)) == "adaptive"
    assert told(part, LEARNED).note.key == "ope.interval.whole_time"


@pytest.mark.parametrize("name", ["bernstein", "cressie_read"])
def test_units_that_repeat_are_not_independent_draws(name):
    assert why(told(of_units(drawn(), np.arange(400) // 2), name=name)) == "repeats"


def test_what_each_interval_needs():
    blind = drawn(is_whole=False)
    assert why(told(blind, name="bernstein")) == "no_bounds"
    assert why(told(blind, name="cressie_read")) == "no_weight"
    floor = replace(FIXED, least=0.05)
    assert told(blind, floor, "cressie_read").interval == pytest.approx(
        told(drawn(), name="cressie_read").interval, 0.1
    )
    assert why(told(drawn(world=PAIR), name="cressie_read", is_difference=True)) == "one_target"
    assert why(told(drawn(900), NO_RANGE, "cressie_read")) == "no_range"
    assert why(told(replace(drawn(), unsupported=np.ones(400)), name="cressie_read")) == "no_support"
    with pytest.raises(InvalidRequest, match="choose among gamma"):
        told(drawn(), name="wald")


def test_units_count_once_however_often_they_are_drawn():
    """Ten copies of a log, draw by draw of the same unit, say no more than the log."""
    part = drawn(500)
    copies = Weighed.joined([part] * 10)
    once, often = told(part), told(copies)
    assert once.value == pytest.approx(often.value, rel=1e-12)
    # They differ in the unseen unit alone: the largest possible draw, or what seen units typically have.
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.1)


WORLDS = {
    "rare clicks": (always_one_of(20, 0.009), 1000),
    "rare clicks, nothing predicted": (always_one_of(5, 0.009, predicted=0.0), 1000),
    "weights up to 100": (always_one_of(100, 0.5), 300),
    "a soft target": (SOFT, 300),
    "a difference": (PAIR, 300),
    "ten draws": (SOFT, 10),
}


@pytest.mark.parametrize("name", WORLDS)
def test_it_holds_where_the_normal_one_may_not(name):
    """It always answers. Of 400 logs fewer hold the truth than a coverage of 94 % has in one of a thousand runs."""
    world, n = WORLDS[name]
    random = np.random.default_rng(list(WORLDS).index(name))
    held = 0
    for _ in range(400):
        found = told(world.draw(n, random), is_difference=world.other is not None)
        held += found.low <= world.truth <= found.high
    assert held >= stats.binom.ppf(0.001, 400, 0.94)


def test_the_normal_interval_misses_where_clicks_are_rare():
    """So that the test above can fail: half of such logs have no click that matched, and no spread worth the name."""
    world, n = WORLDS["rare clicks"]
    random = np.random.default_rng(1)
    found = [told(world.draw(n, random), name="normal").interval for _ in range(200)]
    assert sum(ends is not None and ends[0] <= world.truth <= ends[1] for ends in found) < 160


@pytest.mark.parametrize("world", [SOFT, PAIR, always_one_of(20, 0.5)])
def test_where_a_hundred_matched_it_is_hardly_wider_than_the_true_variance_allows(world):
    n = 4000
    found = told(drawn(n, world), is_difference=world.other is not None)
    assert found.high - found.low < 1.25 * 2 * 1.96 * world.deviation / np.sqrt(n)
