"""What a condition names in the population is written out, and whatever it names, that ends."""

from dataclasses import replace

import pytest

from engine.conditions import MAX_CHAIN, fits
from engine.expansion import expand, expanded
from engine.experiments import Experiment, Variant
from engine.funnel import ForcedRule, Funnel, Population
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from engine.targeting import evaluate

POPULATION = Population(
    {"vip": {"visits": {"$gte": 10}}, "nordic vip": {"$segment": "vip", "country": {"$inGroup": "nordic"}}},
    {"nordic": ("NO", "SE"), "first": (1.0, 2.0)},
)
NOBODY = {"$nor": ({},)}


@pytest.mark.parametrize(
    ("condition", "written_out"),
    [
        ({"$segment": "vip"}, {"visits": {"$gte": 10}}),
        ({"$segment": "vip", "a": 1}, {"$and": ({"visits": {"$gte": 10}}, {"a": 1})}),
        ({"$segment": "nordic vip"}, {"$and": ({"visits": {"$gte": 10}}, {"country": {"$in": ("NO", "SE")}})}),
        ({"$or": [{"a": 1}, {"$segment": "vip"}]}, {"$or": [{"a": 1}, {"visits": {"$gte": 10}}]}),
        ({"$not": {"$nor": ({"$segment": "vip"},)}}, {"$not": {"$nor": [{"visits": {"$gte": 10}}]}}),
        ({"$segment": "nobody"}, NOBODY),
        ({"$segment": ["vip"]}, NOBODY),
        ({"a": {"$inGroup": "nordic"}}, {"a": {"$in": ("NO", "SE")}}),
        ({"a": {"$notInGroup": "nordic"}}, {"a": {"$nin": ("NO", "SE")}}),
        ({"a": {"$inGroup": "nothing"}}, {"a": {"$in": ()}}),
        ({"a": {"$inGroup": ["NO"]}}, {"a": {"$in": ()}}),
        ({"a": {"$inGroup": "nordic", "$in": ["NO"]}}, {"a": {"$inGroup": ("NO", "SE"), "$in": ["NO"]}}),
        ({"a": {"$not": {"$inGroup": "first"}}}, {"a": {"$not": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$size": {"$inGroup": "first"}}}, {"a": {"$size": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$all": ["b", {"$inGroup": "first"}]}}, {"a": {"$all": ["b", {"$in": (1.0, 2.0)}]}}),
        ({"a": {"$elemMatch": {"$inGroup": "first"}}}, {"a": {"$elemMatch": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$elemMatch": {"b": {"$inGroup": "first"}}}}, {"a": {"$elemMatch": {"b": {"$in": (1.0, 2.0)}}}}),
        (
            {"a": {"$elemMatch": {"$segment": "vip", "b": 1}}},
            {"a": {"$elemMatch": {"$and": ({"visits": {"$gte": 10}}, {"b": 1})}}},
        ),
    ],
)
def test_segments_and_groups_are_written_out(condition, written_out):
    assert expand(condition, POPULATION) == written_out


def test_a_value_that_looks_like_a_name_stays_a_value():
    literal = {"a": {"b": {"$inGroup": "nordic"}, "c": 1}, "d": [{"$segment": "vip"}]}
    assert expand(literal, POPULATION) is literal


@pytest.mark.parametrize(
    "segments",
    [
        {"a": {"$segment": "a"}},
        {"a": {"$segment": "b"}, "b": {"$or": [{"$segment": "c"}]}, "c": {"$not": {"$not": {"$segment": "a"}}}},
    ],
)
def test_a_segment_that_leads_back_to_itself_ends_and_holds_for_nobody(segments):
    assert not evaluate(expand({"$segment": "a"}, Population(segments)), {"age": 30})


def chain(length):
    segments = {str(number): {"$segment": str(number + 1)} for number in range(1, length)}
    return Population({**segments, str(length): {"name": "ann"}})


def test_a_chain_of_segments_ends():
    assert expand({"$segment": "1"}, chain(MAX_CHAIN)) == {"name": "ann"}
    assert expand({"$segment": "1"}, chain(MAX_CHAIN + 1)) == NOBODY
    assert expand({"$segment": "1"}, chain(10_000)) == NOBODY


def test_segments_that_would_double_themselves_stay_small():
    doubling = {str(each): {"$and": [{"$segment": str(each + 1)}] * 2} for each in range(1, MAX_CHAIN)}
    population = Population({**doubling, str(MAX_CHAIN): {"$and": [{"name": "ann"}] * 500}})
    condition = expand({"$segment": "1"}, population)
    assert not fits(condition)
    assert not evaluate(condition, {"age": 30})


VIP, WRITTEN_OUT = {"$segment": "vip"}, {"visits": {"$gte": 10}}
PLAIN = Experiment("hero", (Variant("plain"), Variant("bold")), ())


def by_rules(when):
    return SegmentsSpec((Rule({"a": 1}, {"plain": 1}), Rule(when, {"bold": 1})))


def experiment(when, policy=None):
    return Experiment(
        "hero",
        PLAIN.variants,
        (),
        funnel=Funnel(audience=when),
        forced=(ForcedRule("bold", {"b": 1}), ForcedRule("plain", when)),
        policy=policy or by_rules(when),
    )


@pytest.mark.parametrize(
    "policy_with",
    [by_rules, lambda when: ThompsonSpec(prior=by_rules(when)), lambda when: ContextualSpec(prior=by_rules(when))],
)
def test_all_conditions_of_an_experiment_are_written_out(policy_with):
    named, plain = experiment(VIP, policy_with(VIP)), experiment(WRITTEN_OUT, policy_with(WRITTEN_OUT))
    assert expanded(named, POPULATION) == plain
    assert expanded(plain, POPULATION) is plain
    assert expanded(replace(plain, funnel=named.funnel), POPULATION) == plain
    assert expanded(replace(plain, forced=named.forced), POPULATION) == plain
    assert expanded(replace(plain, policy=named.policy), POPULATION) == plain


@pytest.mark.parametrize("policy", [FixedSpec(), ThompsonSpec(), ContextualSpec(), SegmentsSpec()])
def test_an_experiment_without_names_stays_itself(policy):
    same = experiment({"a": 1}, policy)
    assert expanded(same, POPULATION) is same
    assert expanded(experiment(VIP, policy), POPULATION).policy is policy
