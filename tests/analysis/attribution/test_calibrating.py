"""What is incremental of what a rule credits: the ratio's interval covers, and where there is none it is said why."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.attribution import calibrating
from analysis.attribution.credits import credit
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.journeys import Journeys
from analysis.attribution.sums import N_GROUPS, groups
from analysis.estimate import Estimate, Holds, Validity, not_evaluable
from analysis.texts import text

BASE, LIFT = 0.1, 0.1
"""A unit converts so often without the e-mail, and so much more often with it."""


def estimate(value, half=1.0):
    return Estimate(value, value - half, value + half, 10, text("method.none"), text("method.none"))


def effect_of(name, totals, influence, n_units=10):
    found = tuple(map(estimate, totals))
    return Effect(name, ("test",), found, found, found[0], n_units, influence)


def an_e_mail_test(random, n_units=2000, lift=LIFT):
    """Half of the units get an e-mail, and all that they do afterwards is credited to it: a log, and the effect."""
    unit = np.arange(n_units) + random.integers(1 << 40)
    is_sent = random.random(n_units) < 0.5
    won = (random.random(n_units) < BASE + lift * is_sent).astype(float)
    bought = np.stack([won, won * random.lognormal(0, 0.5, n_units)], axis=1)
    paths = [["email"] if sent else [] for sent in is_sent]
    journeys = Journeys.of(paths, won, bought[:, 1], unit=unit)
    # Y - 1[control] / .5 * Y: what came, less what would have come had nobody got an e-mail.
    on_top = bought * np.where(is_sent, 1.0, -1.0)[:, None]
    off = on_top - on_top.mean(axis=0)
    influence = np.stack([np.bincount(groups(unit), column, N_GROUPS) for column in off.T], axis=1)
    return credit(journeys, ["last"]), effect_of("email", on_top.sum(axis=0), influence, n_units)


@pytest.fixture(scope="module")
def many():
    """The ratios in 200 logs."""
    logs = (an_e_mail_test(np.random.default_rng([4, log])) for log in range(200))
    return [calibrating.ratios(shared, "last", [effect])[0] for shared, effect in logs]


@pytest.mark.parametrize("what", [0, 1])
def test_the_interval_covers_the_ratio(many, what):
    """Half of (.2 - .1) per unit is incremental of half of .2 credited: .5, for conversions and for their value.

    1 in 10,000 such tests fails of an interval that covers 95 %.
    """
    covered = sum(pair[what].low <= LIFT / (BASE + LIFT) <= pair[what].high for pair in many)
    assert covered >= stats.binom.ppf(1e-4, len(many), 0.95)


def test_the_interval_is_no_wider_than_it_must_be(many):
    """A spread over 200 logs is off by 1 / sqrt(2 * 200) = 5 %: three of them, and a fiftieth for what n adds."""
    spread = np.std([count.value for count, _ in many])
    width = np.mean([count.high - count.low for count, _ in many]) / (2 * stats.norm.ppf(0.975))
    assert abs(width / spread - 1) < 3 / np.sqrt(2 * len(many)) + 0.02


def test_it_is_incremental_by_credited():
    shared, effect = an_e_mail_test(np.random.default_rng(1))
    pair = calibrating.ratios(shared, "last", [effect])[0]
    for what, each in enumerate(pair):
        assert each.value == pytest.approx(effect.total[what].value / shared.of("last").amounts[0, what])
        assert (each.n, each.validity) == (2000, Validity.VALID)
    assert str(pair[0].estimand).startswith("incremental conversions for each conversion credited")


def test_it_leaves_0_out_where_the_effect_does():
    shared, effect = an_e_mail_test(np.random.default_rng(2), lift=0.0)
    low, high = calibrating.ratios(shared, "last", [effect])[0][0].interval
    assert low < 0 < high
    shared, effect = an_e_mail_test(np.random.default_rng(2), lift=0.3)
    assert calibrating.ratios(shared, "last", [effect])[0][0].low > 0


def test_of_a_negative_credit_the_ratio_has_the_other_sign():
    random = np.random.default_rng(3)
    paths = [["a"]] * 2000 + [["a", "b"]] * 2000
    won = random.random(4000) < np.repeat([0.4, 0.1], 2000)
    shared = credit(Journeys.of(paths, won), ["shapley_rate"])
    assert shared.of("shapley_rate").amounts[1, 0] < 0
    effect = effect_of("b", (-300.0, -300.0), random.normal(0, 1, (N_GROUPS, 2)))
    _, (found, _) = calibrating.ratios(shared, "shapley_rate", [effect])
    other = effect_of("b", (300.0, 300.0), -effect.influence)
    _, (mirrored, _) = calibrating.ratios(shared, "shapley_rate", [other])
    assert 0 < found.low < found.value < found.high
    assert mirrored.interval == pytest.approx((-found.high, -found.low))


def reason(pair):
    assert [each.validity for each in pair] == [Validity.NOT_EVALUABLE] * 2
    return str(pair[0].note)


def test_touchpoints_are_matched_by_name_and_those_without_an_effect_are_said():
    shared = credit(Journeys.of([["a"], ["b"]] * 200, [1] * 400), ["last"])
    influence = np.random.default_rng(5).normal(size=(N_GROUPS, 2))
    a, b = calibrating.ratios(
        shared, "last", [effect_of("c", (9.0, 9.0), influence), effect_of("b", (50.0, 20.0), influence)]
    )
    assert reason(a) == "No randomised experiment compares it with its control."
    assert [each.value for each in b] == pytest.approx([50 / 200, 20 / 200])


def test_an_effect_that_is_not_evaluable_gives_its_own_reason():
    shared = credit(Journeys.of([["a"]] * 200, [1] * 200), ["last"])
    why = text("attribution.shapley.nothing")
    unsaid = not_evaluable(why, text("method.none"))
    effect = Effect("a", ("test",), (unsaid, unsaid), (unsaid, unsaid), unsaid, 10, None)
    (found,) = calibrating.ratios(shared, "last", [effect])
    assert reason(found) == str(why)


def test_it_holds_at_one_look_and_says_so_where_the_effect_may_be_read_at_any_time():
    shared, effect = an_e_mail_test(np.random.default_rng(1))
    silent = not_evaluable(text("attribution.shapley.nothing"), text("method.none"), 10, effect.total[0].value)
    always = replace(effect, total=(silent, silent), once=effect)
    found = calibrating.ratios(shared, "last", [always])
    assert found == calibrating.ratios(shared, "last", [effect])
    assert str(found[0][0].method).endswith(", at one look")
    assert found[0][0].holds is Holds.ONCE


def test_a_credit_for_experiments_that_the_effect_leaves_out_has_no_ratio():
    shared, effect = an_e_mail_test(np.random.default_rng(1))
    (found,) = calibrating.ratios(shared, "last", [replace(effect, left_out=("offer",))])
    assert (
        reason(found) == "The rule credits experiments as well which the effect leaves out, or units of theirs: offer"
    )


def test_a_channel_has_one_ratio_for_each_rule_and_one_below_0_where_it_loses_conversions():
    random = np.random.default_rng(8)
    won = random.random(4000) < np.repeat([0.2, 0.1], 2000)
    shared = credit(Journeys.of([["a"]] * 2000 + [["a", "b"]] * 2000, won), ["first", "last"])
    effect = effect_of("b", (-150.0, -150.0), random.normal(0, 1, (N_GROUPS, 2)))
    first, last = (calibrating.ratios(shared, rule, [effect])[1][0] for rule in ("first", "last"))
    assert reason((first, first)) == "The rule credits nothing to it."
    assert last.value == pytest.approx(-150 / won[2000:].sum())
    assert last.low < last.value < last.high < 0


def test_a_credit_of_0_or_one_that_may_be_has_no_ratio():
    influence = np.random.default_rng(6).normal(size=(N_GROUPS, 2))
    effect = effect_of("a", (5.0, 5.0), influence)
    nothing = credit(Journeys.of([["a"]] * 100 + [["b"]] * 100, [0] * 100 + [1] * 100), ["last"])
    assert reason(calibrating.ratios(nothing, "last", [effect])[0]) == "The rule credits nothing to it."
    value = [5.0, -4.9] * 200
    unclear = credit(Journeys.of([["a"]] * 400, [1] * 400, value), ["last"])
    count, of_value = calibrating.ratios(unclear, "last", [effect])[0]
    assert count.interval is not None
    assert (of_value.value, of_value.interval) == (None, None)
    assert "may as well be 0" in str(of_value.note)


def test_few_conversions_have_no_interval():
    shared = credit(Journeys.of([["a"]] * 300, [1] * 4 + [0] * 296), ["last"])
    effect = effect_of("a", (2.0, 2.0), np.random.default_rng(7).normal(size=(N_GROUPS, 2)))
    assert "an interval takes 10" in reason(calibrating.ratios(shared, "last", [effect])[0])
