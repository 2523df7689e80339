"""What is dumped is loaded again, for every experiment that there can be."""

import json
from dataclasses import fields, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import duration_text
from engine.definition import MAX_PAYLOAD_DEPTH, define
from engine.experiments import (
    Better,
    Boundary,
    Brief,
    ContextField,
    Experiment,
    ExposureRule,
    Factor,
    FieldType,
    Looking,
    Metric,
    MetricKind,
    Plan,
    RewardTerm,
    Role,
    Variant,
)
from engine.files import dump, load, parse
from engine.funnel import Funnel
from engine.metric_rules import MAX_WINDOW, why_no_reward
from engine.specs import POLICY_SPECS, ContextualSpec, FixedSpec, ThompsonSpec
from tests.engine.funnel_strategies import forced_of, funnels_of, segments_of, shares_of, versions

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


def rewards_of(learnable):
    return st.just({}) | shares_of(learnable) if learnable else st.just({})


@st.composite
def policies_of(draw, variant_names, alive, context, learnable):
    floor, share, alpha, every = st.floats(1e-6, 1), st.floats(0, 0.99), st.floats(1, 99), st.integers(1, 10**6)
    prior = st.none() | segments_of(variant_names, alive, context, st.just(0.0))
    by_kind = {
        "fixed": st.builds(FixedSpec, st.just({}) | shares_of(variant_names)),
        "segments": segments_of(variant_names, alive, context, st.just(0.0) | floor),
        "thompson": st.builds(ThompsonSpec, floor, share, alpha, alpha, every, prior),
        "contextual": st.builds(ContextualSpec, floor, share, st.floats(0.1, 99), every, prior),
    }
    assert by_kind.keys() == POLICY_SPECS.keys()
    can = [kind for kind, spec in POLICY_SPECS.items() if learnable or not spec.learns]
    return draw(by_kind[draw(st.sampled_from([kind for kind in can if not by_kind[kind].is_empty]))])


@st.composite
def plain_variants(draw):
    made = st.builds(Variant, names, st.just("{}") | payloads, features, st.dictionaries(names, names, max_size=2))
    unique = st.lists(made, min_size=2, max_size=4, unique_by=lambda variant: variant.name)
    return (), tuple(draw(unique))


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
    learnable = [metric.name for metric in metrics if not why_no_reward(metric)]
    flags = [field.name for field in context if field.type is FieldType.FLAG]
    cuts = [field.name for field in context if field.type in (FieldType.TEXT, FieldType.FLAG)]
    control = draw(st.sampled_from(["", *variant_names]))
    default = draw(st.sampled_from(["", *variant_names]))
    alive = control or variant_names[0]
    may_be_killed = [name for name in variant_names if name not in (alive, default)]
    unit = draw(st.just("customer") | names)
    sticky = draw(st.none() | versions)
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
        policy=draw(policies_of(variant_names, alive, context, learnable)),
        reward=tuple(RewardTerm(*term) for term in draw(rewards_of(learnable)).items()),
        exposure=draw(st.sampled_from(ExposureRule)),
        seed=draw(texts),
        grace=draw(st.just(timedelta(0)) | windows),
        plan=draw(plans_of()),
        segments=tuple(draw(st.lists(st.sampled_from(cuts), unique=True))) if cuts else (),
        funnel=draw(funnels_of({metric.outcome for metric in metrics} - {""})),
        forced=draw(forced_of(variant_names)),
        sticky=sticky,
        fallback_unit=draw(st.just("") | names.filter(lambda name: name != unit)) if sticky else "",
        killed=tuple(draw(st.lists(st.sampled_from(may_be_killed), unique=True))) if may_be_killed else (),
    )
    if experiment.policy.learns and not experiment.reward:
        return define(replaced_reward(experiment, learnable[0]))
    return define(experiment)


def replaced_reward(experiment, metric):
    """Return it with a reward: the first metric, which it would get, may have no scale."""
    return replace(experiment, reward=(RewardTerm(metric, 1.0),))


@given(experiments())
def test_what_is_dumped_is_loaded_again(experiment):
    text = dump(experiment)
    again = load(text)
    assert again == experiment
    assert repr(wide_values(again)) == repr(wide_values(experiment)), "true is no 1.0, though they are equal"
    assert dump(again) == text


def wide_values(experiment):
    """Return all that can be a number, a text or a flag."""
    rules = [*getattr(experiment.policy, "rules", ()), *getattr(prior_of(experiment), "rules", ())]
    conditions = [experiment.funnel.audience, *(rule.when for rule in (*experiment.forced, *rules))]
    return [variant.features for variant in experiment.variants], conditions


def prior_of(experiment):
    return getattr(experiment.policy, "prior", None)


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


def test_the_round_trip_above_meets_every_policy():
    met = set()

    @given(policies_of(["plain", "bold"], "plain", USUAL, learnable=True))
    def meet(policy):
        met.add((policy.kind, getattr(policy, "prior", None) is not None))

    meet()
    assert met == {(kind, False) for kind in POLICY_SPECS} | {("thompson", True), ("contextual", True)}


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
