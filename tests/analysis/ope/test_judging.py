"""The verdict: what must be refused, what must not, and that an interval holds where the log may speak."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.adaptive import means
from analysis.ope import judging
from analysis.ope.evaluation import Evaluable
from analysis.ope.logged import Collection
from analysis.ope.support import Evidence
from analysis.pages.languages import CODES, load
from tests.analysis.ope.drawn_logs import CLICKS, always, drawn, even, evidence, said

YES, CARE, NO = Evaluable.YES, Evaluable.WITH_CARE, Evaluable.NO
BEST = always(0, 10)


def floored(n, k=10, least=0.05, seed=0):
    """Distributions that give no variant less than `least`."""
    return np.random.default_rng(seed).dirichlet(np.ones(k), n) * (1 - k * least) + least


def test_two_effective_draws_of_10_000_are_refused():
    p = np.tile([1 - 3e-4, 3e-4], (10_000, 1))
    log = drawn(p, 0.009, seed=3)
    found = evidence(log, np.array([0.0, 1.0]))
    assert found.diagnostics().effective < 10
    assert found.verdict().word is NO
    assert f"the effective number of draws is {found.diagnostics().effective:.0f} of 10,000" in said(found)
    assert "carries" in said(found)
    assert f"in row {log.variant.argmax()}" in said(found)


@pytest.mark.parametrize("seed", range(10))
def test_rare_clicks_with_100_rewarded_matches_and_weights_up_to_20_are_answered(seed):
    """Weights up to 20 leave n / 20 effective draws, and clicks of .009 need so many draws that this is ample."""
    log = drawn(floored(40_000, seed=seed), 0.009, seed)
    found = evidence(log, floored(40_000, least=0.0, seed=seed + 100))
    assert found.diagnostics().possible <= 20
    assert found.diagnostics().n_rewarded >= 100
    assert found.verdict().word in (YES, CARE)


def test_a_sound_log_has_no_reasons():
    found = evidence(drawn(even(5000, 10), 0.3), np.full(10, 0.1) + np.eye(10)[0] * 0.1 - np.eye(10)[1] * 0.1).verdict()
    assert found.word is YES
    assert found.reasons == ()


def test_nothing_and_ten_rows_are_refused():
    assert said(Evidence(CLICKS)) == "there is nothing in the log to judge by"
    assert Evidence(CLICKS).verdict().word is NO
    ten = evidence(drawn(even(10, 2), 0.5), even(1, 2)[0])
    assert ten.verdict().word is NO
    assert "10 draws are too few" in said(ten)


def test_many_draws_of_few_units_are_too_few():
    log = drawn(even(5000, 2), 0.5)
    found = evidence(replace(log, unit=np.arange(5000) % 20), np.array([0.6, 0.4]))
    assert found.verdict().word is NO
    assert "all 5,000 draws are of 20 units" in said(found)


def test_a_few_rewarded_draws_are_refused_or_named():
    found = evidence(drawn(even(2000, 2), 0.001, seed=4), np.array([0.5, 0.5]))
    assert found.diagnostics().n_rewarded < judging.FEWEST_REWARDED
    assert found.verdict().word is NO
    some = evidence(drawn(even(2000, 2), 0.006, seed=4), np.array([0.5, 0.5]))
    assert judging.FEWEST_REWARDED <= some.diagnostics().n_rewarded < judging.ENOUGH_REWARDED
    assert some.verdict().word is CARE
    assert f"only {some.diagnostics().n_rewarded} rewarded draws matched" in said(some)


@pytest.mark.parametrize(("lacking", "word"), [(0.042, NO), (0.0101, NO), (0.009, CARE), (0.0, YES)])
def test_what_the_log_could_never_draw_is_named_with_what_it_may_be_worth(lacking, word):
    log = drawn(np.tile([0.5, 0.5, 0.0], (4000, 1)), 0.3, collection=replace(CLICKS, value_range=(0.0, 5.0)))
    found = evidence(log, np.array([0.5, 0.5 - lacking, lacking]))
    assert found.verdict().word is word
    if lacking == 0.042:
        assert "4.2 % of what the policy would show" in said(found)
        assert "off by up to 0.21" in said(found)


def test_wrong_propensities_are_refused():
    log = drawn(even(4000, 4), 0.3, with_all=False)
    found = evidence(replace(log, propensity=np.full(4000, 0.3)), always(1, 4))
    assert found.verdict().word is NO
    assert "and it should be 1" in said(found)
    assert "the propensities are not those of the draws" in said(found)


def test_propensities_alone_are_named_until_there_are_enough_draws():
    few = evidence(drawn(even(300, 2), 0.3, with_all=False), np.array([0.9, 0.1]))
    assert few.verdict().word is CARE
    assert "propensities alone" in said(few)
    p = even(60_000, 2)
    many = evidence(drawn(p, 0.3, seed=1, with_all=False), np.array([0.6, 0.4]))
    assert many.verdict().word is YES


def test_weights_that_were_promised_and_have_not_come_are_reckoned_with():
    """The log met none of the variants that it had once in a million, which the target wants in a twentieth."""
    p = np.tile([1 - 1e-6, 1e-6], (5000, 1))
    log = drawn(p, 0.3)
    assert not log.variant.any()
    found = evidence(log, np.array([0.95, 0.05]))
    assert found.diagnostics().effective == pytest.approx(5000)
    assert found.verdict().word is NO
    assert "the logged distributions promise 2" in said(found)


def test_a_row_in_which_the_target_wants_what_hardly_had_a_chance_is_named():
    """Of 100,000 draws one could have had a weight of 1e11: without it the log says as much as the others do."""
    p = np.tile([0.5, 0.5], (100_000, 1))
    p[70_001] = 1e-12, 1 - 1e-12
    log, target = drawn(p, 0.3), np.array([0.1, 0.9])
    found = evidence(log, target)
    assert found.verdict().word is NO
    assert "the logged distributions promise 1: in row 70001 the policy wants what hardly had a chance" in said(found)
    without = log[log.row != 70_001]
    assert evidence(without, target).verdict().word is YES


def test_draws_of_a_few_units_are_worth_as_many_as_they_have_units():
    """Against theory: 5 of 500 units have 90 % of the draws, so that (sum n_u)**2 / sum n_u**2 is about 5 / .9**2."""
    chance = np.random.default_rng(1)
    unit = np.where(chance.random(5000) < 0.9, chance.integers(5, size=5000), chance.integers(5, 500, size=5000))
    found = evidence(replace(drawn(even(5000, 2), 0.5), unit=unit), np.array([0.5, 0.5]))
    assert found.diagnostics().effective == pytest.approx(5 / 0.9**2, rel=0.02)
    assert found.verdict().word is NO
    assert f"the draws of {len(set(unit.tolist()))} units, 5,000 in all, say as much as 6" in said(found)


def test_a_heavy_tail_of_weights_is_named():
    # A variant that is drawn with p = .5 / v weighs v where the target gives it .5. With P(v > x) = x**-.3 its draws
    # have P(w > x) of the order of x**-1.3.
    v = np.minimum(np.random.default_rng(2).random(20_000) ** (-1 / 0.3), 1e4)
    log = drawn(np.column_stack([0.5 / v, 1 - 0.5 / v]), 0.5, seed=2)
    found = evidence(log, np.array([0.5, 0.5]))
    assert found.diagnostics().tail < judging.HEAVY
    assert "heavy tail" in said(found)


def test_open_windows_and_lost_draws_are_named():
    found = evidence(drawn(even(1000, 2), 0.3), even(1, 2)[0])
    assert found.verdict().word is YES
    late = found.verdict(n_open=1564)
    assert late.word is CARE
    assert str(late.reasons[0]).startswith("the windows of 61.0 % of the draws")
    assert "50 % of the draws could not be used" in str(found.verdict(n_left_out=1000).reasons[0])


@pytest.mark.parametrize("code", CODES)
def test_every_reason_is_said_in_every_language(code):
    language = load(code)
    logs = [
        evidence(drawn(even(10, 2), 0.5), even(1, 2)[0]),
        evidence(drawn(np.tile([1 - 3e-4, 3e-4], (10_000, 1)), 0.009, 3), always(1, 2)),
        evidence(drawn(np.tile([0.98, 0.02, 0.0], (4000, 1)), 0.3), np.array([0.5, 0.4, 0.1])),
        evidence(drawn(even(300, 2), 0.3, with_all=False), always(1, 2)),
    ]
    for found in logs:
        assert all(language.say(reason) for reason in found.verdict(n_open=10**6, n_left_out=10**7).reasons)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 300),
    k=st.integers(2, 5),
    least=st.sampled_from([0.0, 1e-4, 0.05]),
    rate=st.sampled_from([0.01, 0.3, 0.99]),
    seed=st.integers(0, 999),
    times=st.integers(3, 40),
)
def test_more_of_the_same_never_makes_a_verdict_worse(n, k, least, rate, seed, times):
    """But for what finds propensities wrong, which is known the better the more there is."""
    p, target = floored(n, k, least, seed), floored(n, k, 0.0, seed + 1)
    log = drawn(p, rate, seed)
    one = evidence(log, target)
    several = one
    for time in range(1, times):
        several += evidence(replace(log, unit=log.unit + n * time), target)
    assert _gravity(several) <= _gravity(one)


def _gravity(found):
    """Return how grave the verdict is, had the mean weight been what it should."""
    numbers = found.diagnostics()
    sound = replace(numbers, mean_weight=1 - numbers.unsupported)
    return [YES, CARE, NO].index(judging.verdict(sound, found.collection).word)


def test_where_a_log_may_speak_its_interval_holds_and_where_it_is_refused_it_does_not():
    """Of 400 logs with a floor or nearly none, by inverse propensity scoring with Hall's interval.

    Among those that speak 95 % hold but for 2.6 standard errors. Those that are refused met few of their weights.
    """
    rng = np.random.default_rng(11)
    holds = {YES: [], CARE: [], NO: []}
    for seed in range(400):
        n, k = 1000, 5
        least, rate, spread = rng.choice([1e-6, 0.05]), rng.choice([0.05, 0.4]), rng.choice([0.1, 1.0])
        rates = rate * np.linspace(0.2, 1.8, k)
        p = rng.dirichlet(np.full(k, spread), n) * (1 - k * least) + least
        target = rng.dirichlet(np.full(k, 1.0), n)
        log = drawn(p, rates, seed)
        scores = target[np.arange(n), log.variant] / log.propensity * log.reward
        holds[evidence(log, target).verdict().word].append(_holds(scores, float((target @ rates).mean())))
    spoke = holds[YES] + holds[CARE]
    assert len(spoke) > 150
    assert np.mean(spoke) > 0.95 - 2.6 * math.sqrt(0.05 * 0.95 / len(spoke))
    assert len(holds[NO]) > 100
    assert np.mean(holds[NO]) < 0.8


def _holds(scores, truth):
    if not scores.any():
        return False
    low, high = means.interval(means.Mean.of(scores, np.full(len(scores), 1 / len(scores))), 0.05)
    return low <= truth <= high


def test_without_a_declared_range_nobody_knows_what_is_lacking_may_be_worth():
    log = drawn(np.tile([0.5, 0.5, 0.0], (4000, 1)), 0.3, collection=Collection())
    assert "is not known" in said(evidence(log, np.array([0.5, 0.495, 0.005])))


@pytest.mark.parametrize(("effective", "word"), [(4.999999999999977, CARE), (4.99, NO), (19.99999999999991, YES)])
def test_rounding_takes_no_rewarded_draw_away(effective, word):
    found = evidence(drawn(even(10_000, 10), 0.5), BEST).diagnostics()
    assert judging.verdict(replace(found, effective_rewarded=effective), CLICKS).word is word
