"""The storefront behaves as its table says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.definition import define
from engine.experiments import Experiment, Variant
from engine.files import load
from engine.outcomes import OutcomeRules
from simulators.deeds import deeds_of
from simulators.environment import Visit
from simulators.habits import HABITS, LIFTS, LOST, SEGMENTS
from simulators.worlds import Storefront
from simulators.worlds.storefront import customs_of, lift, segment_of
from tests.simulators.odd_files import EVERY_KIND, EVERY_TYPE

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Z = 4.0  # about 60 shares are compared: a false alarm in 1 of 260 choices of the seed
CONTEXTS = {
    "newcomer": {"plan": "free", "visits": 1.0, "device": "phone", "consent": True},
    "phone": {"plan": "free", "visits": 3.0, "device": "phone", "consent": True},
    "desktop": {"plan": "free", "visits": 3.0, "device": "desktop", "consent": True},
    "member": {"plan": "plus", "visits": 1.0, "device": "phone", "consent": True},
}


def test_every_segment_is_met() -> None:
    visits = Storefront().visits(2000, NOON, timedelta(days=30), np.random.default_rng(5))
    assert {segment_of(visit.context) for visit in visits} == set(SEGMENTS)
    assert [visit.at for visit in visits] == sorted(visit.at for visit in visits)
    assert visits[0].at >= NOON
    assert visits[-1].at < NOON + timedelta(days=30)
    assert 1.2 < len(visits) / 2000 < 2.5, "customers return"


@pytest.mark.parametrize("segment", SEGMENTS)
def test_shares_equal_the_table(segment: str, demo_file: Callable[[str], Experiment]) -> None:
    world, rng, n = Storefront(), np.random.default_rng(11), 4000
    visit = Visit("customer", NOON, CONTEXTS[segment])
    offer = demo_file("home-offer")
    for variant in offer.variants:
        told = [happening for _ in range(n) for happening in world.outcomes(offer, visit, variant, rng)]
        for metric in ("click", "purchase"):
            p = HABITS[metric].rates[segment] * LIFTS[variant.name][segment] * (1 - LOST)
            count = sum(happening.metric == metric for happening in told)
            assert abs(count - n * p) <= Z * math.sqrt(n * p * (1 - p))


def test_lifts_of_levels_multiply(demo_file: Callable[[str], Experiment]) -> None:
    banner = demo_file("signup-banner")
    [signup] = customs_of(banner)
    for segment in SEGMENTS:
        base = HABITS["signup"].rates[segment]
        assert signup.rate(banner.variant("plain-none"), segment) == base
        both = LIFTS["headline=benefit"][segment] * LIFTS["image=people"][segment]
        assert signup.rate(banner.variant("benefit-people"), segment) == pytest.approx(base * both)


def test_every_kind_gets_outcomes_that_can_be_recorded() -> None:
    experiment = load(EVERY_KIND)
    world, rng, rules = Storefront(), np.random.default_rng(4), OutcomeRules([experiment])
    visit, seen = Visit("customer", NOON, CONTEXTS["phone"]), set()
    for _ in range(3000):
        told = world.outcomes(experiment, visit, experiment.variants[0], rng)
        assert len({happening.metric for happening in told}) == len(told), "an outcome happens once a visit"
        for happening in told:
            rules.check(happening.metric, 1.0 if happening.value is None else happening.value)
            seen.add((happening.metric, happening.value))
            assert happening.metric != "visit" or happening.at >= NOON + timedelta(days=3)
    values = {name: {value for metric, value in seen if metric == name} for name in experiment.outcomes}
    assert values["visit"] == {None}
    assert values["happy"] == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert values["advise"] == {float(score) for score in range(11)}
    assert {1.0, 2.0, 3.0} <= values["page"]
    assert all(len(values[name]) > 20 for name in ("order", "latency"))
    assert set(values) == {"visit", "happy", "advise", "page", "order", "latency"}


def test_a_better_variant_has_higher_scores() -> None:
    advise = deeds_of(load(EVERY_KIND))["advise"]
    scores = [advise.value(0.3, lift(Variant(name), "member")) for name in ("welcome", "general", "loyalty")]
    assert scores == sorted(scores)
    assert scores[0] != scores[2]


def test_revenue_comes_with_its_order(demo_file: Callable[[str], Experiment]) -> None:
    world, rng, trust = Storefront(), np.random.default_rng(2), demo_file("product-page-trust")
    visit = Visit("customer", NOON, CONTEXTS["member"])
    for _ in range(2000):
        told = {each.metric: each for each in world.outcomes(trust, visit, trust.variants[0], rng)}
        assert set(told) in ({"order", "revenue"}, set())
        if told:
            assert told["order"].value is None
            assert told["order"].at == told["revenue"].at
            assert all(each.of_unit for each in told.values())


def test_unknown_names_always_make_the_same() -> None:
    experiment = load(EVERY_TYPE)
    visit = Visit("customer", NOON, CONTEXTS["member"])
    first, again = Storefront(), Storefront()
    assert first.expected_rewards(experiment, visit) == again.expected_rewards(experiment, visit)
    context = first.context(experiment, visit)
    other = first.context(load("{experiment: e, context: {plan: number}, variants: [a, b], metrics: [m]}"), visit)
    assert context == again.context(experiment, visit)
    assert context["device"] == "phone"
    assert isinstance(other["plan"], float), "a known name of another type is made up like an unknown one"
    assert set(context) == {"x1", "device", "mood", "tags", "sunny", "consent"}
    renamed = define(replace(experiment, experiment_id="other", seed="other"))
    assert first.expected_rewards(renamed, visit) == first.expected_rewards(experiment, visit)
