"""What is dumped is loaded again, for every experiment that there can be."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.blocks import duration_text
from engine.definition import MAX_PAYLOAD_DEPTH, define
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
from engine.files import dump, load, parse
from engine.funnel import Funnel
from engine.metric_rules import MAX_WINDOW
from engine.metrics import Aggregation, Better, Metric, MetricKind, Role
from engine.reward_rules import default_scale
from engine.specs import POLICY_SPECS, Explorer, LearnerType, Posterior
from tests.engine.funnel_strategies import forced_of, funnels_of, versions
from tests.engine.policy_strategies import (
    contextual_settings,
    one_of,
    policies_for_candidates,
    policies_of,
    rewards_of,
    scales_of,
    term_shapes,
    thompson_settings,
)

words = st.sampled_from(["no", "on", "1", "2024-01-01", "null", "ä ö", " padded ", "it's", 'say "x"', "a: b", "#x"])
names = words | st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
texts = st.just("") | words | st.text(max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).map(json.dumps)
features = st.dictionaries(names, numbers | st.booleans() | texts | st.lists(texts, max_size=3).map(tuple), max_size=3)
levels = st.lists(st.sampled_from("abcd"), min_size=2, max_size=3, unique=True).map(tuple)
named = {"min_size": 1, "max_size": 3, "unique_by": lambda each: each.name}
factor_tuples = st.lists(st.builds(Factor, names, levels), **named).map(tuple)
field_tuples = st.lists(st.builds(ContextField, names, st.sampled_from(FieldType), st.booleans()), **named).map(tuple)
USUAL = tuple(ContextField(kind.value, kind) for kind in FieldType)
windows = st.timedeltas(min_value=timedelta(microseconds=2), max_value=MAX_WINDOW)
SUMS = (MetricKind.COUNT, MetricKind.REVENUE)
kinds = st.sampled_from([kind for kind in MetricKind if kind is not MetricKind.RATIO])
shares = st.floats(0.01, 0.99)


@st.composite
def metrics_of(draw, context):
    """Return metrics by each kind's rules, with a ratio, or one that can be a reward, or neither."""
    metrics = draw(st.lists(st.builds(Metric, names, kinds, windows), **named))
    window = draw(windows)
    learned = (Metric("learned from", window=window),)
    ratio = (
        Metric("above the line", MetricKind.REVENUE, window),
        Metric("below the line", MetricKind.COUNT, window),
        Metric("one by the other", MetricKind.RATIO, window, of="above the line", per="below the line"),
    )
    return (*(draw(filled_in(metric, context)) for metric in metrics), *draw(st.sampled_from([learned, ratio, ()])))


@st.composite
def filled_in(draw, metric, context):
    """Return a metric with the fields that its kind may have."""
    usable = [field.name for field in context if field.type in (FieldType.NUMBER, FieldType.FLAG)]
    role = draw(st.sampled_from(Role))
    after = draw(st.just(timedelta(0)) | st.timedeltas(timedelta(0), metric.window - timedelta(microseconds=1)))
    if metric.kind is MetricKind.RETENTION and not after:
        after = metric.window / 2
    return replace(
        metric,
        # Metrics of one kind agree to an outcome's value.
        of=draw(st.sampled_from(["", f"an outcome of {metric.kind.value}"])),
        after=after,
        **draw(limits_of(metric.kind)),
        better=draw(st.sampled_from(Better)),
        role=role,
        margin=draw(shares) if role is Role.GUARDRAIL else None,
        effect=draw(st.none() | st.floats(0.001, 9)),
        covariates=tuple(draw(st.lists(st.sampled_from(usable), unique=True))) if usable else (),
    )


@st.composite
def limits_of(draw, kind):
    cap, low, high = draw(st.none() | st.floats(0.01, 1e9)), draw(st.floats(-1e9, 0)), draw(st.floats(1e9, 1e12))
    if kind is MetricKind.QUANTILE:
        return {"quantile": draw(shares), "cap": cap}
    if kind in SUMS:
        winsor = draw(st.none() | st.floats(0.51, 0.99)) if cap is None else None
        return {"cap": cap, "winsor": winsor, "range": draw(st.sampled_from([None, (low, high)]))}
    if kind in (MetricKind.CSAT, MetricKind.CES):
        return {"range": draw(st.sampled_from([None, (low, high)]))}
    return {}


def plans_of():
    looks, n_units, power = st.integers(2, 50), st.integers(1, 10**12), st.floats(0.51, 0.99)
    planned = st.builds(Plan, st.sampled_from(Looking), looks, st.sampled_from(Boundary), n_units, power)
    return st.just(Plan()) | planned


@st.composite
def plain_variants(draw):
    made = st.builds(Variant, names, st.just("{}") | payloads, features, st.dictionaries(names, names, max_size=2))
    unique = draw(st.lists(made, min_size=2, max_size=4, unique_by=lambda variant: variant.name))
    return (), tuple(replace(each, is_blank=each is not unique[-1] and each.payload == "{}") for each in unique)


@st.composite
def factorial_variants(draw):
    factors = draw(factor_tuples)
    made = define(Experiment("e", (), (Metric("m"),), factors=factors)).variants
    if draw(st.booleans()):
        made = tuple(Variant(f"v{n}", draw(payloads), levels=variant.levels) for n, variant in enumerate(made))
    return factors, made


@st.composite
def experiments(draw):
    factors, variants = draw(plain_variants() | factorial_variants())
    variant_names = [variant.name for variant in variants]
    context = draw(st.sampled_from([USUAL, ()]) | field_tuples)
    metrics = draw(metrics_of(context))
    flags = [field.name for field in context if field.type is FieldType.FLAG]
    cuts = [field.name for field in context if field.type in (FieldType.TEXT, FieldType.FLAG)]
    control = draw(st.sampled_from(["", *variant_names]))
    default = draw(st.sampled_from(["", *variant_names]))
    alive = control or variant_names[0]
    may_be_killed = [name for name in variant_names if name not in (alive, default)]
    killed = draw(st.lists(st.sampled_from(may_be_killed), unique=True)) if may_be_killed else []
    unit = draw(st.just("customer") | names)
    candidates = draw(st.none() | st.none() | field_tuples) if not factors else None
    slots = draw(st.just(1) | st.integers(1, len(variants)))
    sticky = draw(st.none() | versions) if candidates is None and slots == 1 else None
    may_hold = [name for name in variant_names if name not in (alive, *killed)] if slots == 1 else []
    experiment = Experiment(
        experiment_id=draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,99}", fullmatch=True)),
        variants=variants,
        metrics=metrics,
        brief=draw(st.builds(Brief, *(6 * [texts]))),
        factors=factors,
        context=context,
        requires_consent=draw(st.sampled_from(["", *flags])),
        unit=unit,
        control=control,
        default=default,
        exposure=draw(st.sampled_from(ExposureRule)),
        seed=draw(texts),
        grace=draw(st.just(timedelta(0)) | windows),
        plan=draw(plans_of()),
        segments=tuple(draw(st.lists(st.sampled_from(cuts), unique=True))) if cuts else (),
        funnel=draw(funnels_of({metric.outcome for metric in metrics} - {""})),
        forced=draw(forced_of(variant_names)),
        sticky=sticky,
        fallback_unit=draw(st.just("") | names.filter(lambda name: name != unit)) if sticky else "",
        killed=tuple(killed),
        candidates=candidates,
        slots=slots,
    )
    return define(draw(with_policies(experiment, alive, may_hold)))


@st.composite
def with_policies(draw, experiment, alive, may_hold):
    """Return an experiment with a policy and perhaps a shadow, and what they learn from."""
    learnable = [metric for metric in experiment.metrics if term_shapes(metric)]
    if learnable and draw(st.booleans()):
        experiment = replace(experiment, reward=draw(rewards_of(learnable)))
        experiment = replace(experiment, **draw(scales_of(experiment)))
    can = {"learnable": bool(experiment.reward)}
    variant_names = [variant.name for variant in experiment.variants]
    if experiment.candidates is not None:
        policies, shadows = (
            policies_for_candidates(variant_names, experiment.context, serves=serves, **can) for serves in (True, False)
        )
    else:
        can["counts"] = (experiment.reward_scale or default_scale(experiment) or (0.0, 1.0))[0] == 0
        policies, shadows = (
            one_of(policies_of(variant_names, alive, experiment.context, may_hold=may_hold, serves=serves, **can))
            for serves in (True, False)
        )
    return replace(experiment, policy=draw(policies), shadow=draw(st.none() | shadows))


@given(experiments())
def test_what_is_dumped_is_loaded_again(experiment):
    text = dump(experiment)
    again = load(text)
    assert again == experiment
    assert repr(wide_values(again)) == repr(wide_values(experiment)), "true is no 1.0, though they are equal"
    assert dump(again) == text


def wide_values(experiment):
    """Return all that can be a number, a text or a flag."""
    rules = [rule for policy in (experiment.policy, experiment.shadow) for rule in rules_of(policy)]
    conditions = [experiment.funnel.audience, *(rule.when for rule in (*experiment.forced, *rules))]
    return [variant.features for variant in experiment.variants], conditions


def rules_of(policy):
    return [*getattr(policy, "rules", ()), *getattr(getattr(policy, "prior", None), "rules", ())]


def test_the_round_trip_above_meets_every_field():
    """A field that is never there would come back although it was forgotten."""
    met = set()

    @given(experiments())
    def meet(experiment):
        plain = Experiment("", (), (), context=USUAL)
        for record, bare in ((experiment, plain), (experiment.funnel, plain.funnel)):
            of_it = [field.name for field in fields(record)]
            met.update(name for name in of_it if getattr(record, name) != getattr(bare, name))

    meet()
    assert met == {field.name for record in (Experiment, Funnel) for field in fields(record)}


@pytest.mark.parametrize("kind", POLICY_SPECS)
def test_the_round_trip_above_meets_every_setting_of_every_policy(kind):
    met = set()
    bare = POLICY_SPECS[kind]()
    of_it = [field.name for field in fields(bare)]
    every = policies_of(["plain", "bold", "loud"], "plain", USUAL, learnable=True, may_hold=["bold", "loud"])

    @given(every[kind])
    def meet(policy):
        met.update(name for name in of_it if getattr(policy, name) != getattr(bare, name))

    meet()
    assert met == set(of_it)


@pytest.mark.parametrize(("make", "words"), [(contextual_settings, Explorer), (thompson_settings, Posterior)])
def test_the_round_trip_above_meets_every_word_of_a_policy(make, words):
    met = set()

    @settings(max_examples=500)
    @given(st.sampled_from(words).flatmap(make))
    def meet(chosen):
        met.update(value for value in chosen.values() if isinstance(value, Enum))

    meet()
    assert met == {*words, *(LearnerType if words is Explorer else ())}


def test_the_round_trip_above_meets_every_aggregation_and_costs():
    met = set()
    metrics = [Metric("bought"), Metric("basket", MetricKind.REVENUE, cap=50.0)]

    @given(rewards_of(metrics))
    def meet(reward):
        met.update((term.aggregation, term.weight > 0) for term in reward)

    meet()
    assert met == {(aggregation, is_gain) for aggregation in Aggregation for is_gain in (True, False)}


@given(st.timedeltas(min_value=timedelta(0)))
def test_a_duration_is_exact(duration):
    assert parse(f"window: {duration_text(duration)}")["window"].duration() == duration


def test_the_deepest_payload_comes_back():
    deep = MAX_PAYLOAD_DEPTH * "[" + MAX_PAYLOAD_DEPTH * "]"
    experiment = define(Experiment("e", (Variant("a", deep), Variant("b")), (Metric("m"),)))
    assert load(dump(experiment)) == experiment


def test_the_largest_experiment_comes_back():
    variants = tuple(Variant(f"offer {number}", f'{{"price": {number}}}') for number in range(1000))
    experiment = define(Experiment("e", variants, (Metric("m"),)))
    assert load(dump(experiment)) == experiment
