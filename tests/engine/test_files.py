"""Files: what a marketer writes is what runs, and what is wrong is said in one line."""

import json
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InvalidExperiment
from engine.experiments import (
    Boundary,
    Brief,
    ContextField,
    Experiment,
    ExposureRule,
    Factor,
    FieldType,
    Looking,
    Plan,
    Variant,
)
from engine.files import Node, dump, load, parse
from engine.funnel import Cap, ForcedRule, Funnel, LayerRange, RampStep, Rest, Sticky
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm, Role
from engine.specs import POLICY_SPECS, ContextualSpec, FixedSpec, SegmentsSpec, ThompsonSpec

HERO = "experiment: hero\nvariants: [plain, bold]\nmetrics: [click]\n"

EVERYTHING = """\
experiment: home-offer
brief: {hypothesis: It depends on the visit, goal: growth, segment: new, moment: arrival, channel: web, tactic: saving}
unit: session
fallback_unit: device
sticky: {version: 3, min_version: 2}
context: {device: text, visits: number, consent: flag, tags: [text], plan: {type: text, required: true}}
requires_consent: consent
prerequisites: {new-home: [bold, plain]}
audience: {country: {$in: [NO, "1", 1]}, visits: {$gte: 10}, $not: {"page.kind": null}}
layer: {name: home, from: 0.2, to: 0.7}
ramp: [{traffic: 0.01, lasts: 1d, units: 1000}, {traffic: 1}]
starts_at: 2026-12-01T10:00:00+01:00
ends_at: 2027-01-01T00:00:00.5Z
cap: {n: 3, window: 7d}
rest: {outcome: order, within: 3d, lasts: 14d}
variants:
  general: {blank: true}
  loyalty:
  bundle:
    payload: {headline: Two for one}
    features: {price: 9.5, new: true, kind: set, tags: [a, b]}
    levels: {size: large}
control: loyalty
default: bundle
killed: [general]
forced: [{variant: loyalty, when: {employee: true}}]
policy: {contextual: {floor: 0.05, control_share: 0.1, gamma: 5, publish_every: 50}}
metrics:
  click: {kind: conversion, window: 1h}
  spend: {kind: revenue, of: order, window: 3d, after: 1h, cap: 500, range: [-20, 500], covariates: [visits, consent]}
  paid: {kind: revenue, of: order, window: 3d, winsor: 0.99, role: goal, effect: 0.05}
  value: {kind: ratio, of: spend, per: paid}
  slow: {kind: quantile, quantile: 0.9, better: lower, role: guardrail, margin: 0.02}
shadow: {thompson: {floor: 0.2, prior: {otherwise: {loyalty: 1}}}}
reward: {click: -0.2, spend: {weight: 0.8, aggregation: max}}
reward_scale: [-1, 2]
reward_default: -0.5
exposure: reported
seed: spring
grace: 1h
plan: {look: planned, looks: 4, boundary: pocock, units: 20000, power: 0.9}
segments: [device, consent]
"""


def test_every_field_is_read():
    experiment = load(EVERYTHING)
    assert experiment == Experiment(
        experiment_id="home-offer",
        brief=Brief("It depends on the visit", "growth", "new", "arrival", "web", "saving"),
        unit="session",
        fallback_unit="device",
        sticky=Sticky(3, 2),
        context=(
            ContextField("device", FieldType.TEXT),
            ContextField("visits", FieldType.NUMBER),
            ContextField("consent", FieldType.FLAG),
            ContextField("tags", FieldType.TEXTS),
            ContextField("plan", FieldType.TEXT, required=True),
        ),
        requires_consent="consent",
        funnel=Funnel(
            prerequisites={"new-home": ("bold", "plain")},
            audience={"country": {"$in": ["NO", "1", 1]}, "visits": {"$gte": 10}, "$not": {"page.kind": None}},
            layer=LayerRange("home", 0.2, 0.7),
            ramp=(RampStep(0.01, timedelta(days=1), 1000), RampStep(1.0)),
            starts_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
            ends_at=datetime(2027, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
            cap=Cap(3, timedelta(days=7)),
            rest=Rest("order", timedelta(days=3), timedelta(days=14)),
        ),
        variants=(
            Variant("general", is_blank=True),
            Variant("loyalty"),
            Variant(
                "bundle",
                '{"headline": "Two for one"}',
                {"price": 9.5, "new": True, "kind": "set", "tags": ("a", "b")},
                {"size": "large"},
            ),
        ),
        control="loyalty",
        default="bundle",
        killed=("general",),
        forced=(ForcedRule("loyalty", {"employee": True}),),
        policy=ContextualSpec(floor=0.05, control_share=0.1, gamma=5.0, publish_every=50),
        shadow=ThompsonSpec(floor=0.2, prior=SegmentsSpec(otherwise={"loyalty": 1.0})),
        metrics=(
            Metric("click", MetricKind.CONVERSION, timedelta(hours=1)),
            Metric(
                "spend",
                MetricKind.REVENUE,
                timedelta(days=3),
                500.0,
                of="order",
                after=timedelta(hours=1),
                range=(-20.0, 500.0),
                covariates=("visits", "consent"),
            ),
            Metric("paid", MetricKind.REVENUE, timedelta(days=3), of="order", winsor=0.99, role=Role.GOAL, effect=0.05),
            Metric("value", MetricKind.RATIO, timedelta(days=3), of="spend", per="paid"),
            Metric("slow", MetricKind.QUANTILE, quantile=0.9, better=Better.LOWER, role=Role.GUARDRAIL, margin=0.02),
        ),
        reward=(RewardTerm("click", -0.2), RewardTerm("spend", 0.8, Aggregation.MAX)),
        reward_scale=(-1.0, 2.0),
        reward_default=-0.5,
        exposure=ExposureRule.REPORTED,
        seed="spring",
        grace=timedelta(hours=1),
        plan=Plan(Looking.PLANNED, 4, Boundary.POCOCK, 20_000, 0.9),
        segments=("device", "consent"),
    )
    assert load(dump(experiment)) == experiment


_EVERY = "floor: 0.1, control_share: 0.2, shares: {bold: 0.3}, publish_every: 9, publish_after: 1m"
POLICIES = {
    "fixed": ["{weights: {plain: 0.9, bold: 0.1}}"],
    "segments": ["{rules: [{when: {new: true}, weights: {bold: 1}}], otherwise: {plain: 0.9, bold: 0.1}, floor: 0.1}"],
    "thompson": [
        f"{{{_EVERY}, prior_alpha: 2, prior_beta: 3, half_life: 2d, prior: {{rules: [{{when: {{new: true}}}}]}}}}",
        "{posterior: gaussian, prior_mean: 0.1, prior_weight: 20, window: 1d12h}",
    ],
    "epsilon_greedy": [f"{{{_EVERY}, epsilon: 0.2, half_life: 2d, prior: {{otherwise: {{bold: 1}}}}}}", "{window: 1d}"],
    "ucb1": [f"{{{_EVERY}, width: 0.5, half_life: 2d, prior: {{otherwise: {{bold: 1}}}}}}", "{window: 1d}"],
    "softmax": [f"{{{_EVERY}, temperature: 0.5, half_life: 2d, prior: {{otherwise: {{bold: 1}}}}}}", "{window: 1d}"],
    "linear": [f"{{{_EVERY}, width: 0.5, prior_weight: 3, prior: {{otherwise: {{bold: 1}}}}}}"],
    "contextual": [
        f"{{{_EVERY}, gamma: 3, learning_rate: 0.7, interactions: [[context, context, variant]], "
        "explorer: bag, learner: ips, n_models: 3, n_first: 5, epsilon: 0.2, temperature: 0.3, "
        "prior: {otherwise: {bold: 1}}}"
    ],
}


def test_no_field_is_forgotten():
    """Every field differs from its default here, so that a new one fails until it can be written in a file."""
    experiment = load(EVERYTHING)
    records = [experiment, experiment.brief, *experiment.variants, experiment.context[4], experiment.plan]
    records += experiment.metrics  # no metric can have them all
    begin = HERO + "context: {new: flag}\npolicy: "
    policies = [load(f"{begin}{{{kind}: {each}}}").policy for kind, settings in POLICIES.items() for each in settings]
    records += [*policies, *policies[1].rules, *experiment.reward]
    funnel = experiment.funnel
    records += [funnel, funnel.layer, funnel.ramp[0], funnel.cap, funnel.rest, *experiment.forced, experiment.sticky]
    assert POLICIES.keys() == POLICY_SPECS.keys()
    known = {(type(record), field.name): False for record in records for field in fields(record)}
    for record in records:
        for field in fields(record):
            known[type(record), field.name] |= not is_default(record, field)
    left = {field for field, is_given in known.items() if not is_given}
    instead = {
        (Experiment, "factors"): "of variants",
        (Experiment, "candidates"): "of a sticky unit's variant",
        (Experiment, "slots"): "of a sticky unit's one",
        (Funnel, "traffic"): "of a ramp",
    }
    assert left == instead.keys(), "these stand in the place of others, and are read below"


def is_default(record, field):
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return getattr(record, field.name) == default


def test_a_test_needs_four_lines():
    experiment = load(HERO)
    assert experiment.policy == FixedSpec()
    assert (experiment.control, experiment.default, experiment.seed, experiment.unit) == (
        "plain",
        "plain",
        "hero",
        "customer",
    )
    assert dump(experiment) == HERO


def test_factors_generate_the_variants():
    experiment = load(
        "experiment: hero\nfactors: {headline: [plain, urgent], image: [empty, product, people]}\nmetrics: [click]"
    )
    assert [variant.name for variant in experiment.variants][:2] == ["plain-empty", "plain-product"]
    assert len(experiment.variants) == 6
    assert json.loads(experiment.variants[-1].payload) == {"headline": "urgent", "image": "people"}
    assert "variants" not in dump(experiment)


@pytest.mark.parametrize(
    "name", ["no", "on", "yes", "y", "1", "2024-01-01", "true", "null", "~", "0x10", "1e3", "12:30"]
)
def test_a_name_stays_text(name):
    experiment = load(f"experiment: hero\nvariants: {{plain: {{}}, {name}: {{}}}}\nmetrics: [click]\ncontrol: {name}")
    assert experiment.control == experiment.variants[1].name == name
    assert load(dump(experiment)) == experiment
    as_list = load(f"experiment: hero\nfactors: {{size: [{name}, other]}}\nmetrics: [click]")
    assert as_list.factors == (Factor("size", (name, "other")),)


@pytest.mark.parametrize(
    ("written", "payload"),
    [
        ("{}", "{}"),
        ("", "null"),
        ("hello", '"hello"'),
        ("no", '"no"'),
        ("'1'", '"1"'),
        ("[1, 1.5, true, null, no, 2024-01-01, 007]", '[1, 1.5, true, null, "no", "2024-01-01", "007"]'),
        ("{a: {b: [c]}, ä: ☕}", '{"a": {"b": ["c"]}, "ä": "☕"}'),
        ("{a: +5, b: -.5, c: 1e3}", '{"a": 5, "b": -0.5, "c": 1000.0}'),
    ],
)
def test_a_payload_is_any_value(written, payload):
    text = f"experiment: hero\nvariants:\n  plain:\n  bold:\n    payload: {written}\nmetrics: [click]"
    assert load(text).variants[1].payload == payload


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7d", timedelta(days=7)),
        ("1h", timedelta(hours=1)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("90m", timedelta(minutes=90)),
        ("0.5s", timedelta(milliseconds=500)),
        ("1h0.000001s", timedelta(hours=1, microseconds=1)),
    ],
)
def test_durations(written, expected):
    assert parse(f"window: {written}")["window"].duration() == expected


@pytest.mark.parametrize(
    ("word", "spec"), [(word, spec()) for word, spec in POLICY_SPECS.items() if spec is not SegmentsSpec]
)
def test_a_policy_can_be_one_word(word, spec):
    for written in (word, f"{{{word}: {{}}}}", f"{{{word}: }}"):
        assert load(HERO + f"policy: {written}").policy == spec


def test_traffic_without_a_ramp():
    assert load(HERO + "traffic: 0.25").funnel == Funnel(traffic=0.25)


def test_candidates_and_slots():
    text = HERO + "candidates: {price: number, topic: {type: text, required: true}}\nslots: 3\npolicy: contextual\n"
    experiment = load(text)
    declared = ContextField("price", FieldType.NUMBER), ContextField("topic", FieldType.TEXT, required=True)
    assert (experiment.candidates, experiment.slots) == (declared, 3)
    assert load(dump(experiment)) == experiment


def test_candidates_without_features():
    experiment = load(HERO + "candidates: {}")
    assert experiment.candidates == ()
    assert load(dump(experiment)) == experiment


def test_weights():
    assert load(HERO + "policy: {fixed: {weights: {plain: 0.9, bold: 0.1}}}").policy == FixedSpec(
        {"plain": 0.9, "bold": 0.1}
    )


def test_a_block_reads_other_files():
    block = parse("{source: log.csv, seed: 7, shuffle: true, columns: {reward: spend}}", "recipe.yaml")
    given = block.read(source=Node.text, seed=Node.whole, shuffle=Node.flag, columns=Node.block, skip=Node.whole)
    assert given.pop("columns")["reward"].text() == "spend"
    assert given == {"source": "log.csv", "seed": 7, "shuffle": True}
    with pytest.raises(InvalidExperiment, match=r"recipe\.yaml, line 1: unknown field `seed`"):
        block.read(source=Node.text)
