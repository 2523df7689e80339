"""A policy that the first part of a log taught: it knows that part alone, and is judged on the rest."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.ope.learning import learn, learn_from
from analysis.ope.models.predicting import predictor
from analysis.ope.models.ridge import Ridge
from analysis.ope.stores.reading import read
from analysis.ope.weighed import weighed
from engine.clock import EPOCH, from_micros, to_micros
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import ContextualSpec, EpsilonGreedySpec, FixedSpec, LinearSpec, ThompsonSpec
from tests.analysis.ope.models import made_logs

SPLIT = 1200
CLICK = Metric("click", window=timedelta(days=1))
HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (CLICK,), policy=ThompsonSpec())

START = EPOCH + timedelta(days=20_000)


def later(log, target):
    return log[log.at >= target.since]


def test_a_candidate_beats_the_logger_where_the_context_decides():
    log = made_logs.clicks(n=4000)
    learned = learn(log, ContextualSpec(), until=0.5)
    rest = later(log, learned)
    chances = learned.probabilities(rest)
    truth = made_logs.truth(rest)
    gained = np.sum(chances * truth, axis=1).mean() - truth.mean()
    # The best variant of each context brings .21 more than an even choice.
    best = truth.max(axis=1).mean() - truth.mean()
    assert gained > 0.5 * best
    # And the log says so: the doubly robust difference over the rest is far above 0, and near the truth.
    predicted = predictor(rest, Ridge(), is_adaptive=False).predict(rest)
    score = weighed(rest, chances - rest.probabilities, predicted).score
    error = score.std() / np.sqrt(len(rest))
    assert score.mean() > 4 * error
    assert abs(score.mean() - gained) < 4 * error


def test_it_is_judged_on_what_was_drawn_after_the_split():
    log = made_logs.clicks(n=2000)
    assert learn(log, ThompsonSpec(), until=0.6).since == SPLIT
    assert learn(log, ThompsonSpec(), until=from_micros(SPLIT - 1)).since == SPLIT
    # Draws of one time are on one side.
    coarse = replace(log, at=log.at // 100 * 100)
    assert later(coarse, learn(coarse, ThompsonSpec(), until=0.605)).row[0] == 1300


@pytest.mark.parametrize("spec", [ContextualSpec(), ThompsonSpec(), LinearSpec(), EpsilonGreedySpec()])
def test_what_came_after_the_split_teaches_nothing(spec):
    log = made_logs.clicks(n=2000)
    after = made_logs.clicks(n=2000, seed=1)
    reward = np.where(np.arange(2000) < SPLIT, log.reward, after.reward)
    policies = [learn(each, spec, until=0.6).policy for each in (log, replace(log, reward=reward))]
    assert policies[0].serialize() == policies[1].serialize()
    before = learn(made_logs.with_reward(log, SPLIT - 1, 1 - log.reward[SPLIT - 1]), spec, until=0.6)
    assert before.policy.serialize() != policies[0].serialize()


def test_a_stream_teaches_what_the_log_in_memory_does():
    log = made_logs.clicks(n=2000)
    until = from_micros(SPLIT - 1)
    streamed = learn(log.blocks(300), ContextualSpec(), until=until)
    np.testing.assert_array_equal(
        streamed.probabilities(log[SPLIT:]), learn(log, ContextualSpec(), until=until).probabilities(log[SPLIT:])
    )


def test_rewards_that_were_not_known_by_the_split_are_not_learned():
    log = made_logs.clicks(n=2000)
    known = learn(log, ThompsonSpec(), until=0.6, age=timedelta(microseconds=200))
    assert known.policy.serialize() == learn(log, ThompsonSpec(), until=0.5).policy.serialize()
    assert known.since == SPLIT
    variants = tuple(Variant(str(name)) for name in log.variants)
    definition = Experiment("hero", variants, (CLICK,), policy=ThompsonSpec())
    days = replace(log, at=log.at * to_micros(from_micros(0) + timedelta(hours=1)))
    # The windows are of a day, so the last 24 of 1,200 hours were open.
    defined = learn(days, definition, until=0.6)
    assert defined.policy.serialize() == learn(log[: SPLIT - 24], ThompsonSpec(), until=0.9999).policy.serialize()


def test_candidates_are_learned_by_their_features():
    log, chances = made_logs.articles(n=3000)
    learned = learn(log, ContextualSpec(), until=0.5)
    given = learned.probabilities(log[1500:])
    # Of three articles one is clicked on with .8 and the others with .1: an even choice brings a third.
    assert np.sum(given * chances[1500:], axis=1).mean() > 0.6
    with pytest.raises(InvalidRequest, match="of which thompson knows nothing"):
        learn(log, ThompsonSpec(), until=0.5)


def test_its_floor_is_that_of_what_would_serve():
    log = made_logs.clicks(n=1000)
    chances = learn(log, ContextualSpec(floor=0.3), until=0.5).probabilities(log[500:])
    assert chances.min() >= 0.1 - 2**-31
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)


def test_its_name_says_what_it_was_taught():
    log = made_logs.clicks(n=100)
    assert str(learn(log, ThompsonSpec(), until=0.5).name) == "the thompson policy learned from the first 50 %"
    assert (
        str(learn(log, ThompsonSpec(), until=from_micros(60)).name) == "the thompson policy learned by 1970-01-01 00:00"
    )


def test_what_cannot_be_learned_is_refused():
    log = made_logs.clicks(n=100)
    with pytest.raises(InvalidRequest, match="the policy fixed does not learn"):
        learn(log, FixedSpec(), until=0.5)
    for until in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidRequest, match="a share must be above 0 and below 1"):
            learn(log, ThompsonSpec(), until=until)
    for nothing in (log.blocks(), log[:0]):
        with pytest.raises(InvalidRequest, match="a share is one of a log in memory"):
            learn(nothing, ThompsonSpec(), until=0.5)
    with pytest.raises(InvalidRequest, match="no reward was known by that time"):
        learn(log, ThompsonSpec(), until=from_micros(-1))
    other = Experiment("hero", (Variant("x"), Variant("y")), (CLICK,), policy=ThompsonSpec())
    with pytest.raises(InvalidRequest, match="'hero' can learn nothing of what was known by then"):
        learn(log, other, until=0.5, age=timedelta(0))


def history(log, n=20, changed_after=99.0):
    """Play two draws a day; bold is clicked on, every other pair so late that it was learned as a failure."""
    drawn, clicks = [], []
    for number in range(n):
        at, is_in_time = number / 2, number % 4 < 2
        tell(log, clicks, at)
        made = log.assign(f"unit {number}", at)
        if made.variant == "bold" and at < changed_after:
            clicks.append((at + (0.5 if is_in_time else 1.5), at + 0.4, made))
        drawn.append((at, made.variant, made.variant == "bold" and is_in_time))
    tell(log, clicks, 30)
    log.end(30)
    return drawn


def tell(log, clicks, until):
    """Report the clicks that come by some day, in their order."""
    clicks.sort(key=lambda click: click[0])
    while clicks and clicks[0][0] <= until:
        received, at, made = clicks.pop(0)
        log.observe(made, "click", at, received=received)


def counts(drawn, until):
    """Return a Beta posterior's successes and failures of each variant, of draws that were of age: a day."""
    known = [(variant, is_click) for at, variant, is_click in drawn if at + 1 <= until]
    return {
        name: [1.0 + sum(each == (name, True) for each in known), 1.0 + sum(each == (name, False) for each in known)]
        for name in ("bold", "plain")
    }


def test_a_store_teaches_what_had_matured_by_the_split(new_log):
    log = new_log(HERO)
    drawn = history(log)
    until = START + timedelta(days=5, hours=1)
    learned = learn_from(log.store, "hero", until=until)
    found = json.loads(learned.policy.serialize())
    assert found == counts(drawn, 5.04)
    # Some were on time, some came too late, and some draws were too young.
    assert 1 < found["bold"][0] < sum(variant == "bold" for _, variant, _ in drawn)
    assert learned.since == to_micros(until) + 1


def test_what_a_store_was_told_after_the_split_teaches_nothing(new_log):
    until = START + timedelta(days=5, hours=1)
    stores = []
    for changed_after in (99.0, 5.0):
        log = new_log(HERO)
        history(log, changed_after=changed_after)
        stores.append(log.store)
    states = [learn_from(store, "hero", until=until).policy.serialize() for store in stores]
    assert states[0] == states[1]
    assert (
        len({learn_from(store, "hero", until=START + timedelta(days=20)).policy.serialize() for store in stores}) == 2
    )


def test_another_definition_learns_from_a_store_and_is_judged_on_it(new_log):
    log = new_log(HERO)
    drawn = history(log, n=40)
    candidate = replace(HERO, experiment_id="hero-2", policy=ContextualSpec(floor=0.1))
    learned = learn_from(log.store, "hero", until=START + timedelta(days=10), taught=candidate)
    rest = later(read(log.store, "hero"), learned)
    assert len(rest) == sum(at > 10 for at, _, _ in drawn)
    chances = learned.probabilities(rest)
    assert chances[:, rest.variants.index("bold")].min() > 0.6


def test_a_store_that_cannot_teach_is_refused(new_log):
    log = new_log(HERO)
    history(log, n=4)
    with pytest.raises(UnknownExperiment, match="there is no experiment 'other' in this log"):
        learn_from(log.store, "other", until=START)
    with pytest.raises(InvalidRequest, match="'hero' can learn nothing of what was known by then"):
        learn_from(log.store, "hero", until=START + timedelta(hours=1))
    with pytest.raises(InvalidRequest, match="the policy fixed does not learn"):
        learn_from(log.store, "hero", until=START + timedelta(days=9), taught=replace(HERO, policy=FixedSpec()))
