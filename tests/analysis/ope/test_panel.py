"""The panel: every estimator from one pass, and a flag that is raised when it should be."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.estimate import Scale, Validity
from analysis.ope.estimators.base import Estimator
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.layout import Layout
from analysis.ope.estimators.snips import Snips
from analysis.ope.logged import Collection, Logged
from analysis.ope.panel import ERROR, PANEL, Panel
from analysis.ope.totals import Totals, standard_error
from analysis.ope.weighed import weighed
from analysis.texts import text
from tests.analysis.ope.estimators.making import distributions, drawn, estimate, names, part_of

WHAT = text("ope.reward")
FIXED = Collection(is_adaptive=False)


def panel_of(*parts, collection=FIXED):
    panel = Panel(collection)
    for part in parts:
        panel.add(part)
    return panel


def numbers(panel):
    """Return value, low and high of each estimate, (9, 3), NaN where there is none."""
    return np.array([(each.value, each.low, each.high) for each in panel.estimates(WHAT)], np.float64)


def told(part):
    return [each.told(len(part), float(part.largest.max())) for each in PANEL]


def test_each_value_is_its_estimators():
    part = part_of(1)
    found = panel_of(part).estimates(WHAT)
    assert [each.value for each in found] == pytest.approx([estimate(each, part) for each in told(part)], abs=1e-12)
    assert {(each.n, each.estimand.key) for each in found} == {(200, WHAT.key)}


def test_what_has_no_bias_has_a_normal_interval_and_what_has_one_a_note():
    part = part_of(1)
    for each, estimator in zip(panel_of(part).estimates(WHAT, Scale.SHARE), told(part), strict=True):
        assert each.scale is Scale.SHARE
        if estimator.is_biased:
            assert each.interval is None
            assert each.note == text("ope.estimator.biased")
        else:
            half = 1.959963984540054 * standard_error(Totals.of(estimator.terms(part)), estimator)
            assert each.interval == pytest.approx((each.value - half, each.value + half), rel=1e-9)


def test_a_log_of_a_policy_that_learned_has_points_alone():
    found = panel_of(part_of(1), collection=Collection(is_adaptive=True)).estimates(WHAT)
    assert {each.interval for each in found} == {None}
    assert text("ope.estimator.adaptive") in [each.note for each in found]


def test_errors_are_by_unit():
    part = part_of(1)
    twice = replace(part, unit=np.arange(200) // 2)
    wide = panel_of(twice, twice).estimates(WHAT)[0]
    narrow = panel_of(part).estimates(WHAT)[0]
    by_unit = standard_error(Totals.of(Ips().terms(part), twice.unit), Ips())
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.value == pytest.approx(1.959963984540054 * by_unit, rel=1e-9)


def test_blocks_and_panels_add_up():
    part = part_of(1)
    whole, blocks = panel_of(part), panel_of(part[:30], part[30:])
    both = panel_of(part[:30]) + panel_of(part[30:]) + Panel(FIXED)
    for other in (blocks, both):
        np.testing.assert_allclose(numbers(other), numbers(whole), rtol=1e-9)
        assert str(other.agreement()) == str(whole.agreement())


def test_a_term_that_several_need_is_gathered_once():
    layout = Layout.of(*PANEL)
    n_terms = sum(len(each.columns) for each in PANEL)
    assert len(layout.terms) == len(set(layout.terms)) == 10 < n_terms


def test_without_any_weight_there_is_no_value_by_weights():
    part = part_of(1)
    nothing = replace(part, weight=np.zeros(200), score=part.expected)
    snips = panel_of(nothing).estimates(WHAT)[1]
    assert (snips.value, snips.validity) == (None, Validity.NOT_EVALUABLE)
    assert "self-normalised" not in str(panel_of(nothing).agreement())


def test_no_draws_and_one_draw_are_too_few_to_compare():
    assert Panel(FIXED).estimates(WHAT) == ()
    assert Panel(FIXED).agreement() == text("ope.estimator.too_few")
    one = panel_of(part_of(1)[:1])
    assert one.agreement() == text("ope.estimator.too_few")
    assert all(each.interval is None for each in one.estimates(WHAT))


def world(seed, n=4_000, k=4, scale=1.0):
    """Return a log whose propensities are logged as `scale` times what they were, with a model of no use."""
    rng = np.random.default_rng(seed)
    p = distributions(rng, n, k, least=0.1)
    variant = drawn(rng, p)
    reward = (rng.random(n) < np.linspace(0.2, 0.6, k)[variant]).astype(float)
    log = Logged.of(names(k), variant, reward, p[np.arange(n), variant] * scale, probabilities=p)
    return weighed(log, distributions(rng, n, k), np.full((n, k), 0.4))


def test_sound_logs_raise_the_flag_no_more_often_than_they_may():
    """Of 300 logs at most 1 % are expected to: 9 or more have a probability below 0.4 % (Poisson of mean 3)."""
    raised = [text_.key for text_ in (panel_of(world(seed)).agreement() for seed in range(300))]
    assert raised.count("ope.estimator.disagree") + raised.count("ope.estimator.both") < 9
    assert ERROR == 0.01


def test_wrong_propensities_raise_it():
    said = panel_of(world(1, scale=0.8)).agreement()
    assert "propensities are wrong" in str(said)
    assert "inverse propensity scoring" in str(said)


def test_a_model_that_is_wrong_is_said_to_be_biased():
    part = world(1)
    off = replace(part, predicted=part.predicted + 0.3, expected=part.expected + 0.3, score=part.score)
    said = panel_of(off).agreement()
    assert said.key == "ope.estimator.show_bias"
    assert "direct method" in str(said)
    assert "inverse propensity scoring" not in str(said)


def test_both_are_said():
    part = world(1, scale=0.8)
    said = panel_of(replace(part, expected=part.expected + 0.5)).agreement()
    assert said.key == "ope.estimator.both"


def test_estimators_may_be_chosen():
    mine: tuple[Estimator, ...] = (Snips(), Dr())
    panel = Panel(FIXED, mine)
    panel.add(part_of(1))
    assert len(panel.estimates(WHAT)) == 2
