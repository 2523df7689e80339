"""Several loggers: over every draw of a tiny world, and against the formulas."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.loggers import ByLogger, balanced, with_control_share
from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed
from engine.errors import InvalidRequest
from tests.analysis.ope.estimators.making import part_of
from tests.analysis.ope.estimators.tiny import LOGGED, MEAN, TARGET, VALUE, every_draw

OTHER = np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
SHARE = 0.25
"""The second logger makes a quarter of the draws."""

CONTROL = 2
CERTAIN = np.tile(np.eye(3)[CONTROL], (2, 1))


def both(second):
    """Return all draws of two loggers as one log, the context and the probability of each."""
    parts = [every_draw(LOGGED), every_draw(second)]
    logs = [log for log, _, _ in parts]
    joined = Logged.of(
        logs[0].variants,
        *(np.concatenate([getattr(log, name) for log in logs]) for name in ("variant", "reward", "propensity")),
        probabilities=np.concatenate([log.probabilities for log in logs]),
    )
    logger = np.repeat([0, 1], [len(log) for log in logs])
    probability = np.concatenate([(1 - SHARE) * parts[0][2], SHARE * parts[1][2]])
    return replace(joined, logger=logger), np.concatenate([context for _, context, _ in parts]), probability


def mean_and_variance(log, context, probability, predicted=MEAN):
    score = weighed(log, TARGET[context], predicted[context]).score
    mean = float(probability @ score)
    return mean, float(probability @ (score - mean) ** 2)


def of_drawn(log, context, second):
    return np.stack([LOGGED[context, log.variant], second[context, log.variant]], axis=1)


def test_balanced_propensities_are_those_of_the_mixture_and_have_no_bias():
    log, context, probability = both(OTHER)
    found = balanced(log, of_drawn(log, context, OTHER), np.array([1 - SHARE, SHARE]))
    mixture = (1 - SHARE) * LOGGED + SHARE * OTHER
    np.testing.assert_allclose(found.propensity, mixture[context, log.variant], rtol=1e-15)
    assert mean_and_variance(found, context, probability)[0] == pytest.approx(VALUE, abs=1e-14)


@pytest.mark.parametrize("predicted", [np.zeros((2, 3)), MEAN])
def test_and_are_narrower_than_each_loggers_own(predicted):
    log, context, probability = both(OTHER)
    found = balanced(log, of_drawn(log, context, OTHER), np.array([1 - SHARE, SHARE]))
    naive, narrow = (mean_and_variance(each, context, probability, predicted) for each in (log, found))
    assert naive[0] == pytest.approx(VALUE, abs=1e-14)
    assert narrow[1] < naive[1]


def test_shares_are_counted_where_none_are_given():
    log, context, _ = both(OTHER)
    counted = np.bincount(log.logger) / len(log)
    given_ = balanced(log, of_drawn(log, context, OTHER), counted)
    np.testing.assert_array_equal(balanced(log, of_drawn(log, context, OTHER)).propensity, given_.propensity)


def test_a_draw_that_its_logger_did_not_make_is_refused_with_its_row():
    log, context, _ = both(OTHER)
    wrong = of_drawn(log, context, OTHER)
    wrong[3, log.logger[3]] += 0.01
    with pytest.raises(InvalidRequest, match=r"1 draws were not drawn .* in row 3"):
        balanced(log, wrong)


def test_a_control_share_is_a_logger_that_makes_the_whole_log_one_policys():
    log, context, probability = both(CERTAIN)
    found = with_control_share(log, LOGGED[context], SHARE, CONTROL)
    mixture = SHARE * CERTAIN + (1 - SHARE) * LOGGED
    np.testing.assert_allclose(found.probabilities, mixture[context], rtol=1e-15)
    part = weighed(found, TARGET[context])
    assert part.weight[found.variant == CONTROL].max() <= 1 / SHARE
    assert mean_and_variance(found, context, probability)[0] == pytest.approx(VALUE, abs=1e-14)


def test_naive_propensities_of_a_control_group_support_the_control_alone():
    log, context, probability = both(CERTAIN)
    assert abs(mean_and_variance(log, context, probability, np.zeros((2, 3)))[0] - VALUE) > 0.02


def test_a_control_share_needs_both_groups():
    log, context, _ = both(CERTAIN)
    of_policy = log.logger == 0
    with pytest.raises(InvalidRequest, match="loggers 0 and 1"):
        with_control_share(log[of_policy], LOGGED[context[of_policy]], SHARE, CONTROL)


def test_a_control_share_needs_the_policys_own_distributions():
    log, context, _ = both(CERTAIN)
    with pytest.raises(InvalidRequest, match="were not drawn by their logger's"):
        with_control_share(log, OTHER[context], SHARE, CONTROL)


def weighted_by_hand(score, logger):
    groups = [score[logger == each] for each in np.unique(logger)]
    inverse = np.array([len(each) / each.var(ddof=1) for each in groups])
    value = inverse @ [each.mean() for each in groups] / inverse.sum()
    return value, inverse.sum() ** -0.5


@given(st.integers(0, 2**32 - 1))
def test_loggers_estimates_are_weighted_by_their_inverse_variance(seed):
    part = part_of(seed)
    part = replace(part, logger=np.random.default_rng(seed).permutation(np.arange(len(part)) % 3))
    found = ByLogger(Dr())
    for rows in (slice(0, 50), slice(50, 200)):
        found.add(part[rows])
    np.testing.assert_allclose(found.estimate(), weighted_by_hand(part.score, part.logger), rtol=1e-10)


def test_two_logs_by_logger_add_up():
    index = np.arange(200)
    parts = [replace(part_of(seed), logger=index % 2 + seed, unit=index + 200 * seed) for seed in (0, 1)]
    apart, whole = [ByLogger(Ips()), ByLogger(Ips())], ByLogger(Ips())
    for each, part in zip(apart, parts, strict=True):
        each.add(part)
        whole.add(part)
    added = apart[0] + apart[1]
    assert set(added.totals) == {0, 1, 2}
    np.testing.assert_allclose(added.estimate(), whole.estimate(), rtol=1e-12)
    assert set(apart[0].totals) == {0, 1}


def test_a_logger_whose_draws_are_all_alike_says_nothing_of_its_error():
    part = part_of(0)
    part = replace(part, logger=np.arange(200) % 2, reward=part.reward * (np.arange(200) % 2))
    found = ByLogger(Ips())
    assert np.isnan(found.estimate()).all()
    found.add(part)
    assert np.isnan(found.estimate()).all()
