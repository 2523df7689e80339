"""Variants by what they share, against the formula and over every draw of a tiny world."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.mips import groups_of, merged
from analysis.ope.logged import Question
from analysis.ope.weighed import weighed
from engine.errors import InvalidRequest
from engine.experiments import Variant
from tests.analysis.ope.estimators.making import case, estimate
from tests.analysis.ope.estimators.tiny import CONTEXTS, LOGGED, TARGET, every_draw

SEEDS = st.integers(0, 2**32 - 1)
GROUPS = np.array([0, 1, 0, 2])


@given(SEEDS)
def test_mips_is_its_formula(seed):
    log, target, _ = case(seed)
    p = log.probabilities
    same = np.equal.outer(GROUPS[log.variant], GROUPS)
    weight = (target * same).sum(axis=1) / (p * same).sum(axis=1)
    part = weighed(*merged(log, target, GROUPS))
    np.testing.assert_allclose(part.weight, weight, rtol=1e-13)
    assert estimate(Ips(), part) == pytest.approx((weight * log.reward).mean(), rel=1e-12)
    assert (part.weight <= (target / p).max(axis=1) + 1e-12).all()
    assert (part.largest <= (target / p).max(axis=1) + 1e-12).all()


@given(SEEDS)
def test_groups_of_one_variant_each_change_nothing(seed):
    log, target, _ = case(seed)
    found, same = merged(log, target, np.array([2, 0, 1, 3]))
    assert found.variants == ("v1", "v2", "v0", "v3")
    np.testing.assert_array_equal(weighed(found, same).weight, weighed(log, target).weight)


def value_of_merged(mean, groups, logged=LOGGED):
    log, context, probability = every_draw(logged, mean)
    part = weighed(*merged(log, TARGET[context], groups))
    return float(probability @ (part.weight * part.reward))


def value_of_target(mean):
    return float(CONTEXTS @ (TARGET * mean).sum(axis=1))


def test_it_has_no_bias_where_variants_that_share_an_embedding_bring_the_same():
    alike = np.array([[0.2, 0.5, 0.2], [0.7, 0.1, 0.7]])
    assert value_of_merged(alike, np.array([0, 1, 0])) == pytest.approx(value_of_target(alike), abs=1e-14)


def test_and_needs_no_support_of_a_variant_where_one_like_it_was_drawn():
    alike = np.array([[0.2, 0.5, 0.2], [0.7, 0.1, 0.7]])
    logged = np.array([[0.0, 0.4, 0.6], [0.3, 0.7, 0.0]])
    assert value_of_merged(alike, np.array([0, 1, 0]), logged) == pytest.approx(value_of_target(alike), abs=1e-14)


def test_it_is_off_by_how_they_differ_and_how_the_policies_choose_among_them():
    mean = np.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.4]])
    groups = np.array([0, 1, 0])
    inside = np.array([[0, 0, 0], [0, 0, 0]], float)
    for context in range(2):
        pair = [0, 2]
        share = LOGGED[context, pair] / LOGGED[context, pair].sum()
        inside[context, pair] = TARGET[context, pair].sum() * share - TARGET[context, pair]
    off = float(CONTEXTS @ (inside * mean).sum(axis=1))
    assert abs(off) > 0.01
    assert value_of_merged(mean, groups) == pytest.approx(value_of_target(mean) + off, abs=1e-14)


def test_variants_with_the_same_features_are_a_group():
    features = [("shoe", 3.0), ("hat", 3.0), ("shoe", 3.0), ("hat", 4.0)]
    assert groups_of(features).tolist() == [0, 1, 0, 2]
    assert groups_of([]).tolist() == []


def test_a_block_is_merged_as_its_log_is():
    log, target, _ = case(5)
    whole = weighed(*merged(log, target, GROUPS))
    rows = slice(30, 90)
    block = weighed(*merged(log[rows], target[rows], GROUPS))
    np.testing.assert_array_equal(block.weight, whole[rows].weight)


def test_a_group_can_be_drawn_where_one_of_its_variants_can():
    log, target, _ = case(5)
    eligible = np.zeros((len(log), 4), np.bool_)
    eligible[:, 2] = True
    found, _ = merged(replace(log, eligible=eligible), target, GROUPS)
    assert found.could_be.tolist() == [[True, False, False]] * len(log)
    block, _ = merged(replace(log, eligible=eligible)[:7], target[:7], GROUPS)
    assert block.could_be.tolist() == [[True, False, False]] * 7


def test_a_group_is_asked_about_as_its_first_eligible_variant():
    log, target, _ = case(5, n=2)
    variants = tuple(Variant(str(name), features={"size": place}) for place, name in enumerate(log.variants))

    def ask(rows):
        yield from (Question({"hour": 7}, variants[1 + int(row) :]) for row in rows)

    found, _ = merged(replace(log, ask=ask), target, GROUPS)
    names = [[each.name for each in question.eligible] for question in found.questions()]
    sizes = [[each.features["size"] for each in question.eligible] for question in found.questions()]
    assert names == [["v0 + v2", "v1", "v3"], ["v0 + v2", "v3"]]
    assert sizes == [[2, 1, 3], [2, 3]]


@pytest.mark.parametrize("groups", [[0, 1, 0], [0, 2, 0, 3], [1, 1, 1, 1]])
def test_groups_that_are_not_of_the_variants_are_refused(groups):
    log, target, _ = case(5)
    with pytest.raises(InvalidRequest, match="groups number all 4 variants"):
        merged(log, target, np.array(groups))


def test_a_log_without_whole_distributions_is_refused():
    log, target, _ = case(5)
    with pytest.raises(InvalidRequest, match="whole distributions"):
        merged(replace(log, patterns=None, pattern=None), target, GROUPS)
