"""Intervals of credit cover, both methods agree, and where nothing can be said they say why."""

from itertools import chain

import numpy as np
import pytest
from scipy import stats

from analysis.adaptive.means import Mean
from analysis.attribution import bootstrap, intervals
from analysis.attribution.credits import credit
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.by_name import RULES
from analysis.attribution.rules.shapley import ShapleyRate
from analysis.attribution.spread import deviations, n_effective
from analysis.estimate import Scale, Validity
from analysis.ope.intervals import gamma
from engine.errors import InvalidRequest
from tests.analysis.attribution.drawn_journeys import drawn

COVERED = "linear", "markov_1", "shapley_rate"

WORLDS = {"frequent": (300, 0.2), "rare": (1000, 0.008)}
"""So many units, and how eager they are: in one world about 120 of 360 journeys convert, in the other 17 of 1,200."""

SCALES = Scale.AMOUNT, Scale.SHARE


@pytest.fixture(scope="module")
def several():
    return credit(drawn(np.random.default_rng(1), 2500, p=3), RULES)


@pytest.fixture(scope="module", params=WORLDS)
def covered(request):
    """Whether intervals hold the truth wherever one is said in 150 logs of a world, by rule, scale, place and part."""
    (n_units, rate), n_logs, n_many = WORLDS[request.param], 150, 100_000
    many = credit(drawn(np.random.default_rng(2), n_many, rate=rate), COVERED)
    total, found = many.everything.sum(axis=0), {}
    for log in range(n_logs):
        shared = credit(drawn(np.random.default_rng([3, log]), n_units, rate=rate), COVERED)
        for rule in COVERED:
            truth = np.concatenate([many.of(rule).amounts, many.untouched.sum(axis=0, keepdims=True)])
            of = intervals.amounts(shared, rule), intervals.shares(shared, rule)
            for scale, pairs, true in zip(SCALES, of, (truth / n_many * n_units, truth / total), strict=True):
                for place, what in np.ndindex(true.shape):
                    each = pairs[place][what]
                    if each.interval:
                        holds = each.low <= true[place, what] <= each.high
                        found.setdefault((rule, scale, place, what), []).append(holds)
    return found


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("rule", COVERED)
def test_the_delta_interval_covers_the_truth_wherever_it_is_said(covered, rule, scale):
    """Of units with several journeys; 1 in 10,000 such tests fails of an interval that covers 94 %."""
    said = {key: holds for key, holds in covered.items() if key[:2] == (rule, scale)}
    for holds in said.values():
        assert sum(holds) >= stats.binom.ppf(1e-4, len(holds), 0.94)
    assert len(said[rule, scale, 0, 0]) > 20


def test_whether_an_interval_is_said_does_not_hang_on_which_touches_conversions_followed():
    """Of ten conversions b has 1, 3 or 5 by chance, and in each case half of the touches."""
    for of_b in (1, 3, 5):
        won = np.zeros(400)
        won[: 2 * (10 - of_b) : 2] = 1
        won[1 : 2 * of_b : 2] = 1
        _, (b, _), _ = intervals.shares(credit(Journeys.of([["a"], ["b"]] * 200, won), ["last"]), "last")
        assert b.low < b.value == of_b / 10 < b.high


@pytest.mark.parametrize("rule", RULES)
def test_delta_and_bootstrap_agree(several, rule):
    """Both see the same groups, so they differ by the bootstrap's samples, and by terms of second order."""
    agrees(intervals.shares(several, rule), intervals.shares(several, rule, "bootstrap"))


def test_delta_and_bootstrap_agree_of_amounts(several):
    agrees(intervals.amounts(several, "markov_1"), intervals.amounts(several, "markov_1", "bootstrap"))


def test_the_error_of_sampling_is_part_of_both_intervals():
    rule = ShapleyRate(max_exact=1, n_rounds=2)
    found = credit(drawn(np.random.default_rng(9), 5000, p=5), [rule])
    of, everything = found.of(rule.name), found.everything[:, 0]
    place = int(np.argmax(of.sampling_error[:, 0]))
    error, influence, total = of.sampling_error[place, 0], of.influence[:, place, 0], everything.sum()
    share = of.amounts[place, 0] / total
    assert error**2 > 0.1 * (deviations(influence) ** 2).sum()
    amount, of_all = (each(found, rule.name)[place][0] for each in (intervals.amounts, intervals.shares))
    assert amount.interval == pytest.approx(by_hand(amount.value, influence, error))
    assert of_all.interval == pytest.approx(by_hand(share, (influence - share * everything) / total, error / total))
    for each, delta in ((intervals.amounts, amount), (intervals.shares, of_all)):
        agrees([(delta,)], [each(found, rule.name, "bootstrap")[place][:1]], least=1)


def by_hand(value, influence, error=0.0, *, is_value=False):
    """The gamma interval at 95 %, with one group more: of the size that others have, or of value the largest."""
    errors = deviations(influence)
    square, cube, size = gamma.moments(errors)
    jump = np.abs(errors).max() if is_value else size / square
    return gamma.interval(gamma.Spread(value, square + error**2, cube, jump, jump), 0.05)


def test_an_unseen_group_may_bring_as_much_value_as_any_that_was_seen(several):
    influence = several.of("linear").influence
    for place, (count, value) in enumerate(intervals.amounts(several, "linear")[:-1]):
        assert count.interval == pytest.approx(by_hand(count.value, influence[:, place, 0]))
        assert value.interval == pytest.approx(by_hand(value.value, influence[:, place, 1], is_value=True))


def agrees(delta, bootstrapped, least=6):
    """Of B normal samples the standard deviation is off by 1 / sqrt(2 * B) of it, the skewness by sqrt(6 / B).

    An end is off by z of the first and by (z**2 - 1) / 3 of the second: by .14 of the standard error for B = 400. 4.5
    of them are allowed, for the largest of 200 ends, and a tenth for the second order.
    """
    z = stats.norm.ppf(0.025)
    apart = 4.5 * np.sqrt((z**2 / 2 + 6 * ((z**2 - 1) / 3) ** 2) / bootstrap.N_SAMPLES) + 0.1
    pairs = zip(chain(*delta), chain(*bootstrapped), strict=True)
    compared = [(one, other) for one, other in pairs if one.interval]
    assert len(compared) >= least
    for one, other in compared:
        error = (one.high - one.low) / (2 * -z)
        assert one.value == other.value
        assert np.abs(np.subtract(one.interval, other.interval)).max() < apart * error


@pytest.mark.parametrize("rule", RULES)
def test_shares_and_amounts_are_of_one_whole(several, rule):
    shares, amounts = intervals.shares(several, rule), intervals.amounts(several, rule)
    for what in (0, 1):
        assert sum(pair[what].value for pair in shares) == pytest.approx(1, abs=1e-9)
        total = several.everything[:, what].sum()
        assert [pair[what].value * total for pair in shares] == pytest.approx([pair[what].value for pair in amounts])
    assert len(shares) == len(several.touchpoints) + 1
    assert amounts[-1][0].value == several.untouched[:, 0].sum()


def test_a_wider_level_is_a_wider_interval(several):
    (narrow, _), *_ = intervals.shares(several, "linear", level=0.5)
    (wide, _), *_ = intervals.shares(several, "linear", level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.5, 0.99)


def test_the_bootstrap_is_the_same_by_the_same_seed(several):
    one, again, other = (intervals.shares(several, "last", "bootstrap", seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_journeys_of_one_unit_are_no_independent_ones():
    """Every journey of 200 units four times over: the same shares, and the error of 200 units, not of 800."""
    log = drawn(np.random.default_rng(5), 200)
    times = 4
    repeated = Journeys(
        log.touchpoints,
        np.concatenate([[0], np.cumsum(np.tile(log.lengths, times))]),
        np.tile(log.touchpoint, times),
        *(np.tile(each, times) for each in (log.conversions, log.value, log.unit)),
    )
    once, four = (intervals.shares(credit(each, ["linear"]), "linear")[0][0] for each in (log, repeated))
    assert four.interval == pytest.approx(once.interval)


def test_the_error_of_a_total_is_that_of_its_groups():
    influence = np.random.default_rng(6).poisson(2.0, 512).astype(float)
    assert (deviations(influence) ** 2).sum() == pytest.approx(512 * influence.var(ddof=1))


def test_so_many_groups_carry_an_error():
    """k groups of 1 among G: fourth and second powers of deviations are those of a share k / G."""
    influence = np.zeros(512)
    influence[:20] = 1
    share, errors = 20 / 512, deviations(influence)
    wanted = 512 * share * (1 - share) / (1 - 3 * share * (1 - share))
    found = Mean(20.0, *((errors**power).sum() for power in (2, 3, 4)))
    assert n_effective(found) == pytest.approx(wanted)


def test_shares_of_a_rule_that_is_never_negative_are_between_0_and_1():
    paths = [["a"]] * 400 + [["b"]] * 14
    found = intervals.shares(
        credit(Journeys.of(paths, [1] * 414), ["linear", "shapley_rate"]), "linear", level=1 - 1e-9
    )
    (a, _), (b, _), (none, _) = found
    assert a.high == 1
    assert b.low == 0
    assert (none.value, none.interval) == (0, None)


def test_a_rule_that_may_be_negative_is_not_cut_at_0():
    random = np.random.default_rng(7)
    paths, won = (
        [["a"]] * 1000 + [["a", "b"]] * 1000 + [["b"]] * 1000,
        random.random(3000) < np.repeat([0.3, 0.3, 0.05], 1000),
    )
    found = intervals.shares(credit(Journeys.of(paths, won), ["shapley_rate"]), "shapley_rate", level=1 - 1e-12)
    assert found[1][0].low < 0


def test_refunds_may_make_value_negative():
    """b brings back as much as it sells, on average."""
    paths, value = [["a"]] * 300 + [["b"]] * 300, [10.0] * 300 + [5.0, -5.0] * 150
    (_, _), (count, value), _ = intervals.amounts(credit(Journeys.of(paths, [1] * 600, value), ["last"]), "last")
    assert count.low > 0
    assert value.low < 0 < value.high


def test_nothing_converted_is_said():
    shared = credit(Journeys.of([["a"], ["b"]], [0, 0]), ["linear"])
    for estimates in (intervals.amounts(shared, "linear"), intervals.shares(shared, "linear")):
        for pair in estimates:
            assert [each.validity for each in pair] == [Validity.NOT_EVALUABLE] * 2
            assert str(pair[0].note) == "Nothing was converted."


def test_few_conversions_have_a_value_and_no_interval():
    n = 2 * intervals.LEAST[0] - 1
    paths = [["a"], ["b"]] * 500
    (found, _), *_ = intervals.shares(credit(Journeys.of(paths, [1] * n + [0] * (1000 - n)), ["last"]), "last")
    assert (found.value, found.interval) == (4 / 7, None)
    assert "only as well as 3 conversions of equal size, and an interval takes 4." in str(found.note)


def test_conversions_without_a_touch_tell_nothing_of_touchpoints():
    """Of 14 conversions each of two touchpoints could expect 7, and half of that where half of them had no touch."""
    paths = [["a"], ["b"]] * 500
    for untouched, is_said in ((0, True), (7, False)):
        n = 14 - untouched
        log = Journeys.of([[]] * untouched + paths, [1] * untouched + [1] * n + [0] * (1000 - n))
        (a, _), *_ = intervals.amounts(credit(log, ["last"]), "last")
        assert (a.interval is not None) == is_said


def test_one_channel_alone_has_everything_and_nothing_to_tell_its_error():
    shared = credit(Journeys.of([["a"]] * 200, [1] * 200), ["last"])
    (share, _), _ = intervals.shares(shared, "last")
    assert (share.value, share.interval) == (1, None)
    assert str(share.note).startswith("No unit differs")
    (amount, _), _ = intervals.amounts(shared, "last")
    assert amount.low < 200 < amount.high


@pytest.mark.parametrize("value", [[0.0] * 200, [1.0, -1.0] * 100, [-1.0] * 200, [20.0, -19.9] * 100])
def test_value_that_is_not_above_0_has_no_shares(value):
    shared = credit(Journeys.of([["a"], ["b"]] * 100, [1] * 200, value), ["last"])
    for count, of_value in intervals.shares(shared, "last")[:2]:
        assert count.interval is not None
        assert (of_value.value, of_value.validity) == (None, Validity.NOT_EVALUABLE)
        assert "not clearly above 0" in str(of_value.note)


def test_rates_of_journeys_that_are_seldom_alone_have_no_interval():
    random = np.random.default_rng(8)
    paths = [["a"]] * 1000 + [["a", "b"]] * 1000 + [["b"]] * 20
    won = random.random(len(paths)) < 0.2
    shared = credit(Journeys.of(paths, won), ["shapley_rate", "shapley_conversions"])
    (a, _), (b, _), _ = intervals.shares(shared, "shapley_rate")
    assert a.interval is not None
    assert (b.interval, str(b.note)[:38]) == (None, "Too few journeys met it alone, and the")
    assert intervals.shares(shared, "shapley_conversions")[1][0].interval is not None


def test_names_that_are_not_there_are_said(several):
    with pytest.raises(InvalidRequest, match="was not asked"):
        intervals.amounts(several, "shapely")
    with pytest.raises(InvalidRequest, match="ask for delta or bootstrap"):
        intervals.shares(several, "last", "jackknife")


def test_estimates_name_their_method_and_the_rule(several):
    (found, value), *_ = intervals.shares(several, "last", "bootstrap")
    assert "400 samples" in str(found.method)
    assert str(found.estimand).startswith("share of all conversions credited by the rule")
    assert str(value.estimand).startswith("share of all value credited by the rule")
