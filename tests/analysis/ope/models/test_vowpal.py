"""Vowpal Wabbit as a model of the reward: it learns by questions, so candidates and lists are known to it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.ope.models.lessons import Scale, definition_of, lessons
from analysis.ope.models.predicting import predictor
from analysis.ope.models.ridge import Ridge
from analysis.ope.models.vowpal import Vowpal
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies import learned_policy
from engine.specs import ContextualSpec, ThompsonSpec
from tests.analysis.ope.models import made_logs

K = made_logs.K


def test_it_predicts_candidates_that_it_never_met_by_their_features():
    log, _ = made_logs.articles()
    other, chances = made_logs.articles(n=300, seed=1)
    found = Vowpal().fit(log).predict(other)
    # Its online regression is within a tenth or two of the truth; a mean over places knows nothing.
    assert np.abs(found - chances).mean() < 0.1
    blind = Ridge().fit(log).predict(other)
    assert np.abs(blind - chances).mean() > 0.25


def test_it_predicts_what_the_engines_policy_expects_after_the_same_lessons():
    log = made_logs.clicks(n=300)
    experiment = definition_of(log, ContextualSpec())
    policy = learned_policy(experiment)
    policy.learn(list(lessons(log, experiment, Scale(0.0, 1.0))))
    found = Vowpal().fit(log).predict(log[:20])
    wanted = [policy.expected_rewards(question.context, question.eligible) for question in log[:20].questions()]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_definition_says_how_it_is_configured():
    log = made_logs.clicks(n=300)
    fields = ContextField("visits", FieldType.NUMBER), ContextField("device", FieldType.TEXT)
    variants = tuple(Variant(name) for name in log.variants)
    definition = Experiment("hero", variants, (Metric("click"),), context=fields, policy=ThompsonSpec())
    usual, slow = (
        Vowpal(replace(definition, policy=ContextualSpec(learning_rate=rate))).fit(log).predict(log)
        for rate in (0.5, 0.01)
    )
    assert np.ptp(slow) < 0.5 * np.ptp(usual)
    # A policy of another kind still knows the fields and variants; `age` is not among the former.
    np.testing.assert_array_equal(Vowpal(definition).fit(log).predict(log), usual)


def test_rewards_on_another_scale_are_told_within_their_range():
    log, other = made_logs.clicks(), made_logs.clicks(n=30, seed=1)
    amounts = replace(log, reward=5 + 20 * log.reward)
    wanted = 5 + 20 * Vowpal().fit(log).predict(other)
    np.testing.assert_allclose(Vowpal().fit(amounts).predict(other), wanted, rtol=1e-6)
    declared = made_logs.ranged(amounts, 5.0, 25.0)
    np.testing.assert_allclose(Vowpal().fit(declared).predict(other), wanted, rtol=1e-6)


def test_what_was_not_eligible_is_predicted_as_the_mean_of_what_was():
    log, p = made_logs.clicks(n=300), np.array([[0.5, 0.5, 0.0]])
    narrow = replace(log, patterns=p, eligible=p > 0, variant=np.minimum(log.variant, 1))
    found = Vowpal().fit(narrow).predict(narrow)
    np.testing.assert_allclose(found[:, 2], found[:, :2].mean(axis=1), rtol=1e-12)


def test_no_draws_predict_the_same_of_all():
    log = made_logs.clicks(n=10)
    found = Vowpal().fit(log[:0]).predict(log)
    assert np.ptp(found) == 0


def test_what_it_learns_later_changes_no_model_that_was_taken_before():
    log = made_logs.clicks(n=600)
    memory = Vowpal().memory()
    memory.add(log[:300])
    fitted = memory.fitted()
    before = fitted.predict(log)
    memory.add(log[300:])
    np.testing.assert_array_equal(fitted.predict(log), before)
    assert not np.array_equal(memory.fitted().predict(log), before)


def test_lessons_are_the_draws_with_their_propensities_and_rewards():
    log = made_logs.ranged(made_logs.baskets(n=50), 0.0, 40.0)
    log = replace(log, propensity=np.linspace(0.01, 1.0, 50))
    found = list(lessons(log, definition_of(log, ContextualSpec()), Scale.of(log)))
    assert [lesson.assignment.variant for lesson in found] == [log.variants[place] for place in log.variant]
    np.testing.assert_allclose([lesson.assignment.propensity for lesson in found], log.propensity, atol=2**-32)
    np.testing.assert_allclose([lesson.value for lesson in found], log.reward / 40)
    assert found[7].assignment.context == next(log[7:].questions()).context


def test_a_definition_is_read_off_a_log():
    log = made_logs.clicks(n=50)
    found = definition_of(log, ContextualSpec())
    assert [(field.name, field.type) for field in found.context] == [
        ("visits", FieldType.NUMBER),
        ("age", FieldType.NUMBER),
        ("device", FieldType.TEXT),
    ]
    assert found.candidates is None
    brought = definition_of(made_logs.articles(n=50)[0], ContextualSpec())
    assert brought.candidates == (ContextField("topic", FieldType.TEXT),)
    assert ContextField("seen", FieldType.TEXTS) in brought.context
    with pytest.raises(InvalidRequest, match="the log's variants have features, of which thompson knows nothing"):
        definition_of(made_logs.articles(n=50)[0], ThompsonSpec())


def test_a_stream_of_candidates_is_predicted_by_earlier_ones():
    log, chances = made_logs.articles(n=1500)
    found = made_logs.streamed(predictor(None, Vowpal(), is_adaptive=True), log.blocks(400))
    # From draw 1,024 on the model has learned as many.
    assert np.abs(found - chances)[1024:].mean() < 0.15
