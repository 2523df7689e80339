"""Policies of rules, and learned ones with a prior: every rule that refuses."""

import math
from dataclasses import replace

import pytest

from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.records import DrawKey
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec

FIELDS = (ContextField("visits", FieldType.NUMBER), ContextField("new", FieldType.FLAG))
HERO = Experiment("hero", (Variant("plain"), Variant("bold"), Variant("loud")), (Metric("click"),), context=FIELDS)
NEW = {"new": True}
HALVES = {"plain": 0.5, "bold": 0.5}


def by_rules(*rules, otherwise=None, floor=0.0):
    return replace(HERO, policy=SegmentsSpec(rules, otherwise or {}, floor))


def with_prior(*rules, otherwise=None, floor=0.0, spec=ThompsonSpec):
    return replace(HERO, policy=spec(prior=SegmentsSpec(rules, otherwise or {}, floor)))


def complaint(experiment):
    with pytest.raises(InvalidExperiment) as caught:
        define(experiment)
    return str(caught.value)


REFUSED = [
    (by_rules(), "a policy of segments needs `rules`"),
    (by_rules(Rule({}, HALVES)), "rule 1 needs a condition in `when`"),
    (by_rules(Rule(NEW, HALVES), Rule({"visits": math.inf}, HALVES)), "rule 2: `visits` is compared with inf"),
    (by_rules(Rule({"country": "NO"}, HALVES)), "rule 1: `country` must be declared in `context`"),
    (by_rules(Rule({"visits": {"$near": 5}}, HALVES)), "rule 1: `visits` has the unknown operator `$near`"),
    (by_rules(Rule(NEW, {"third": 1.0})), "rule 1 names 'third', which is no variant"),
    (by_rules(Rule(NEW, {"plain": 1.0, "bold": 0.0})), "the weight of 'bold' in rule 1 is 0 and must be in (0, 1]"),
    (by_rules(Rule(NEW, {"plain": 1.5, "bold": -0.5})), "the weight of 'plain' in rule 1 is 1.5"),
    (by_rules(Rule(NEW, {"plain": math.nan})), "the weight of 'plain' in rule 1 is nan"),
    (by_rules(Rule(NEW, {"plain": 0.5, "bold": 0.4})), "the weights of rule 1 sum to 0.9 and must sum to 1"),
    (by_rules(Rule(NEW, HALVES), otherwise={"third": 1.0}), "`otherwise` names 'third', which is no variant"),
    (by_rules(Rule(NEW, HALVES), otherwise={"plain": 0.9}), "the weights of `otherwise` sum to 0.9"),
    (by_rules(Rule(NEW, HALVES), floor=-0.1), "the floor is -0.1 and must be in [0, 1]"),
    (by_rules(Rule(NEW, HALVES), floor=1.1), "the floor is 1.1"),
    (by_rules(Rule(NEW, HALVES), floor=math.nan), "the floor is nan"),
    (replace(by_rules(Rule(NEW, {"bold": 1.0})), killed=("bold",)), "rule 1 would have nobody left to give"),
    (
        replace(by_rules(Rule(NEW, {"bold": 0.5, "loud": 0.5})), killed=("loud", "bold")),
        "rule 1 would have nobody left",
    ),
    (
        replace(by_rules(Rule(NEW, {"bold": 1.0}), floor=0.5), killed=("bold",)),
        "rule 1 would have nobody left to give",
    ),
    (
        replace(by_rules(Rule(NEW, HALVES), otherwise={"bold": 1.0}), killed=("bold",)),
        "`otherwise` would have nobody left to give",
    ),
    (with_prior(), "the prior says nothing"),
    (with_prior(Rule(NEW, HALVES), floor=0.1), "the prior has no floor of its own: the policy's floor counts"),
    (with_prior(Rule(NEW, HALVES), floor=math.nan), "the prior has no floor of its own"),
    (with_prior(Rule({}, HALVES)), "rule 1 of the prior needs a condition"),
    (with_prior(Rule({"country": "NO"}, HALVES)), "rule 1 of the prior: `country` must be declared"),
    (with_prior(Rule(NEW, {"plain": 0.9}), spec=ContextualSpec), "the weights of rule 1 of the prior sum to 0.9"),
    (with_prior(otherwise={"third": 1.0}, spec=ContextualSpec), "`otherwise` of the prior names 'third'"),
    (replace(with_prior(Rule(NEW, {"bold": 1.0})), killed=("bold",)), "rule 1 of the prior would have nobody left"),
]


@pytest.mark.parametrize(("experiment", "part"), REFUSED, ids=[f"{n} {part}" for n, (_, part) in enumerate(REFUSED)])
def test_every_rule_refuses(experiment, part):
    assert part in complaint(experiment)


def test_what_rules_may_say():
    few = by_rules(Rule({"visits": {"$gte": 10}}, {"bold": 1.0}), Rule(NEW, {}), otherwise={"plain": 1.0}, floor=1.0)
    define(few)
    define(replace(few, killed=("loud",)))
    define(with_prior(Rule(NEW, {"bold": 1.0}), otherwise=HALVES))
    define(with_prior(otherwise={"plain": 1.0}, spec=ContextualSpec))


def test_killing_leaves_the_weights_of_a_test_alone():
    weights = {"plain": 0.5, "bold": 0.3, "loud": 0.2}
    killed = define(replace(HERO, policy=FixedSpec(weights), killed=("bold",)))
    assert killed.policy == FixedSpec(weights)


def test_the_conditions_of_rules_have_one_form():
    written = Rule({"visits": {"$in": (1, 2)}}, HALVES)
    plain = Rule({"visits": {"$in": [1.0, 2.0]}}, HALVES)
    assert define(by_rules(written)).policy.rules == (plain,)
    assert define(with_prior(written)).policy.prior.rules == (plain,)


def test_rules_read_the_context_so_they_draw_by_assignment():
    assert define(by_rules(Rule(NEW, HALVES))).draw_key is DrawKey.ASSIGNMENT
