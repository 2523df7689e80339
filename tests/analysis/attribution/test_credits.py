"""Credit is gathered block by block: any split gives the same, and nothing is lost."""

import numpy as np
import pytest

from analysis.attribution.credits import Gathered, credit
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules import by_name
from analysis.attribution.rules.by_name import RULES
from analysis.attribution.rules.shapley import ShapleyRate
from analysis.attribution.sums import groups
from analysis.texts import amount
from engine.errors import InvalidRequest
from tests.analysis.attribution.drawn_journeys import drawn

JOURNEYS = drawn(np.random.default_rng(1), 200)


def blocks(journeys, n):
    """Split at random, and not by unit."""
    block = np.random.default_rng(2).integers(0, n, len(journeys))
    return [journeys.chosen(block == each) for each in range(n)]


def same(one, other):
    assert one.touchpoints == other.touchpoints
    assert (one.n_journeys, one.n_touches.tolist()) == (other.n_journeys, other.n_touches.tolist())
    for left, right in zip(one.by_rule, other.by_rule, strict=True):
        assert left.amounts == pytest.approx(right.amounts, abs=1e-9)
        assert left.influence == pytest.approx(right.influence, abs=1e-9)
    assert one.untouched == pytest.approx(other.untouched)
    assert one.everything == pytest.approx(other.everything)


@pytest.mark.parametrize("n", [2, 7])
def test_blocks_add_up_to_the_whole(n):
    same(credit(blocks(JOURNEYS, n), RULES), credit(JOURNEYS, RULES))


def test_what_is_gathered_adds_up_in_any_order():
    a, b, c = (Gathered.of(block, tuple(map(by_name.rule, RULES))) for block in blocks(JOURNEYS, 3))
    same((a + b + c).credits, (c + (b + a)).credits)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_and_none_share_everything(rule):
    found = credit(JOURNEYS, [rule])
    shared = found.of(rule).amounts.sum(axis=0) + found.untouched.sum(axis=0)
    total = [JOURNEYS.conversions.sum(), JOURNEYS.value.sum()]
    assert shared == pytest.approx(total, abs=1e-9)
    assert found.everything.sum(axis=0) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_what_groups_add_at_the_margin_adds_up_to_the_credit(rule):
    found = credit(JOURNEYS, [rule]).of(rule)
    assert found.influence.sum(axis=0) == pytest.approx(found.amounts, abs=1e-9)


def test_conversions_without_a_touch_are_those_of_their_units_group():
    found = credit(Journeys.of([[], ["a"], []], [1, 1, 1], [5.0, 7.0, 2.0], unit=[3, 4, 3]), ["last"])
    group = groups(np.array([3]))[0]
    assert found.untouched[group].tolist() == [2.0, 7.0]
    assert found.untouched.sum(axis=0).tolist() == [2.0, 7.0]
    assert found.of("last").amounts.tolist() == [[1.0, 7.0]]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "time_decay"])
def test_without_a_touch_or_without_a_conversion_nothing_is_credited(rule):
    untouched = credit(Journeys.of([[], []], [1, 0]), [rule])
    assert untouched.of(rule).amounts.shape == (0, 2)
    lost = credit(Journeys.of([["a"], ["b", "a"]], [0, 0]), [rule])
    assert lost.of(rule).amounts.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_rule_that_samples_says_how_far_it_may_be_off_and_an_exact_one_does_not():
    exact, some = (
        credit(JOURNEYS, [rule]).by_rule[0] for rule in ("shapley_rate", ShapleyRate(max_exact=2, n_rounds=4))
    )
    assert exact.sampled(0) is None
    for part in (0, 1):
        said = str(some.sampled(part))
        assert "is sampled: its standard error by that alone is" in said
        assert str(amount(some.sampling_error[:, part].max())) in said


def test_names_that_are_not_there_are_said():
    found = credit(JOURNEYS, ["first", "last"])
    with pytest.raises(InvalidRequest, match="'linear' was not asked: there are first, last"):
        found.of("linear")
    with pytest.raises(InvalidRequest, match="there is no rule 'lsat'"):
        credit(JOURNEYS, ["lsat"])


def test_blocks_among_different_touchpoints_do_not_add_up():
    with pytest.raises(InvalidRequest, match="different touchpoints"):
        credit([Journeys.of([["a"]], [1]), Journeys.of([["b"]], [1])], ["last"])


def test_no_block_is_no_journeys():
    with pytest.raises(InvalidRequest, match="there are no journeys"):
        credit([], ["last"])
