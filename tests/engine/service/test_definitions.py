"""Experiments between the contract and the engine: nothing is lost, and no field can be forgotten."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from armlift.v1 import experiment_pb2 as contract
from hypothesis import given
from hypothesis import strategies as st

from engine import experiments as model
from engine import funnel, specs
from engine.definition import define
from engine.explanation import Verdict
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm, Role
from engine.records import DrawKey, KeptStatus, OpenFeatureReason, Reason
from engine.reward_rules import default_scale
from engine.service import convert, definitions, words
from engine.storage import rows
from tests.engine import funnel_strategies as sent
from tests.engine.policy_strategies import any_policies

short = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(1, 10_000)
durations = st.timedeltas(timedelta(0), timedelta(days=10_000))
features = st.dictionaries(names, st.one_of(numbers, short, st.booleans(), st.lists(short).map(tuple)), max_size=3)
variants = st.builds(
    model.Variant,
    name=short,
    payload=st.sampled_from(["{}", '{"a": [1, null]}', '"ü"']),
    features=features,
    levels=st.dictionaries(short, short, max_size=2),
    is_blank=st.booleans(),
)
metrics = st.builds(
    Metric,
    name=short,
    kind=st.sampled_from(MetricKind),
    window=durations,
    cap=st.none() | numbers,
    of=short,
    per=short,
    after=durations,
    winsor=st.none() | numbers,
    range=st.none() | st.tuples(numbers, numbers),
    quantile=st.none() | numbers,
    better=st.sampled_from(Better),
    role=st.sampled_from(Role),
    margin=st.none() | numbers,
    effect=st.none() | numbers,
    covariates=st.lists(short, max_size=2).map(tuple),
)
plans = st.builds(
    model.Plan,
    st.sampled_from(model.Looking),
    st.integers(0, 99),
    st.sampled_from(model.Boundary),
    st.integers(0, 10**12),
    numbers,
)
declared_fields = st.lists(
    st.builds(model.ContextField, short, st.sampled_from(model.FieldType), st.booleans()), max_size=3
).map(tuple)
experiments = st.builds(
    model.Experiment,
    experiment_id=short,
    variants=st.lists(variants, max_size=3).map(tuple),
    metrics=st.lists(metrics, max_size=3).map(tuple),
    brief=st.builds(model.Brief, short, short, short, short, short, short),
    factors=st.lists(st.builds(model.Factor, short, st.lists(short).map(tuple)), max_size=2).map(tuple),
    context=declared_fields,
    requires_consent=short,
    unit=short,
    control=short,
    default=short,
    policy=any_policies,
    shadow=st.none() | any_policies,
    candidates=st.none() | declared_fields,
    slots=counts,
    reward=st.lists(st.builds(RewardTerm, short, numbers, st.sampled_from(Aggregation)), max_size=2).map(tuple),
    reward_scale=st.none() | st.tuples(numbers, numbers),
    reward_default=numbers,
    exposure=st.sampled_from(model.ExposureRule),
    seed=short,
    grace=durations,
    plan=plans,
    segments=st.lists(short, max_size=2).map(tuple),
    funnel=sent.any_funnels,
    forced=st.lists(st.builds(funnel.ForcedRule, short, sent.anything), max_size=2).map(tuple),
    sticky=st.none() | st.builds(funnel.Sticky, counts, counts),
    fallback_unit=short,
    killed=st.lists(short, max_size=2).map(tuple),
)


@given(experiments)
def test_an_experiment_survives_the_wire(experiment: model.Experiment) -> None:
    message = definitions.from_experiment(experiment).SerializeToString()
    is_default = experiment.reward_scale == default_scale(experiment)
    expected = replace(experiment, reward_scale=None) if is_default else experiment
    assert definitions.to_experiment(contract.Experiment.FromString(message)) == expected


def test_the_scale_of_other_weights_is_not_sent_back_with_them() -> None:
    """A definition that was read from the server, changed and sent again is scaled by what it says now."""
    two = model.Variant("a"), model.Variant("b")
    metrics = Metric("order"), Metric("call")
    order, call = RewardTerm("order", 1.0), RewardTerm("call", -0.5)
    kept = define(model.Experiment("hero", two, metrics, reward=(order,)))
    state = model.ExperimentState(kept, model.Status.DRAFT, 1, 1, "1")
    message = definitions.from_state(state)
    assert definitions.to_state(message).experiment.reward_scale == kept.reward_scale == (0.0, 1.0)
    message.experiment.reward.append(definitions.from_experiment(replace(kept, reward=(call,))).reward[0])
    assert define(definitions.to_experiment(message.experiment)).reward_scale == (-0.5, 1.0)
    chosen = define(replace(kept, reward_scale=(0.0, 2.0)))
    assert definitions.to_experiment(definitions.from_experiment(chosen)).reward_scale == (0.0, 2.0)


states = st.builds(
    model.ExperimentState,
    experiments,
    st.sampled_from(model.Status),
    counts,
    counts,
    short,
    short,
    st.integers(model.ROLLED_BACK, 9),
    st.none() | sent.moments,
    short,
    st.booleans(),
)
changes = st.builds(
    model.Change,
    st.just("hero"),
    sent.moments,
    short,
    short,
    short,
    st.sampled_from(model.Status),
    counts,
    counts,
    st.lists(short, max_size=2).map(tuple),
)


@given(states)
def test_a_state_survives_the_wire(state: model.ExperimentState) -> None:
    scale = state.experiment.reward_scale or default_scale(state.experiment)
    message = definitions.from_state(state)
    assert definitions.to_state(message) == replace(state, experiment=replace(state.experiment, reward_scale=scale))
    assert message.traffic == state.traffic


@given(changes)
def test_a_change_survives_the_wire(change: model.Change) -> None:
    message = definitions.from_change(change).SerializeToString()
    assert definitions.to_change("hero", contract.Change.FromString(message)) == change


def test_a_sticky_experiment_says_that_it_draws_once() -> None:
    hero = model.Experiment("hero", (), (), sticky=funnel.Sticky())
    state = model.ExperimentState(hero, model.Status.DRAFT, 1, 1, "1")
    assert definitions.from_state(state).draw_key == rows.DRAW_KEYS[DrawKey.UNIT_ONCE]


RENAMED = {"default": "default_variant"}
"""Fields that the contract calls otherwise, because a word is taken there."""

ONE_OF = {"half_life": "drift", "window": "drift"}
"""Fields of policies that learn averages of which the contract takes one or none."""

PAIRS = [
    (model.Experiment, contract.Experiment, set()),
    (model.Brief, contract.Brief, set()),
    (model.Variant, contract.Variant, set()),
    (model.Factor, contract.Factor, set()),
    (model.ContextField, contract.ContextField, set()),
    (Metric, contract.Metric, set()),
    (RewardTerm, contract.RewardTerm, set()),
    (model.Plan, contract.Plan, set()),
    (specs.FixedSpec, contract.FixedPolicy, set()),
    (specs.SegmentsSpec, contract.SegmentsPolicy, set()),
    (specs.Rule, contract.Rule, set()),
    (specs.ThompsonSpec, contract.ThompsonPolicy, set()),
    (specs.EpsilonGreedySpec, contract.EpsilonGreedyPolicy, set()),
    (specs.Ucb1Spec, contract.Ucb1Policy, set()),
    (specs.SoftmaxSpec, contract.SoftmaxPolicy, set()),
    (specs.LinearSpec, contract.LinearPolicy, set()),
    (specs.ContextualSpec, contract.ContextualPolicy, set()),
    (funnel.Funnel, contract.Funnel, set()),
    (funnel.LayerRange, contract.LayerRange, set()),
    (funnel.RampStep, contract.RampStep, set()),
    (funnel.Cap, contract.Cap, set()),
    (funnel.Rest, contract.Rest, set()),
    (funnel.ForcedRule, contract.ForcedRule, set()),
    (funnel.Sticky, contract.Sticky, set()),
    (funnel.Layer, contract.Layer, set()),
    (funnel.Population, contract.Population, set()),
    (funnel.PopulationChange, contract.PopulationChange, set()),
    (model.ExperimentState, contract.ExperimentState, {"draw_key", "traffic"}),  # derived from the experiment
    (model.Change, contract.Change, set()),
]


@pytest.mark.parametrize(("ours", "theirs", "derived"), PAIRS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_new_field_is_not_forgotten(ours: type, theirs: type, derived: set[str]) -> None:
    left_out = {"experiment_id"} if ours is model.Change else set()  # a change travels inside its experiment
    called = RENAMED | ONE_OF if issubclass(ours, specs.ContextFreeSpec) else RENAMED
    declared = {called.get(field.name, field.name) for field in fields(ours)} - left_out
    assert declared == {field.name for field in theirs.DESCRIPTOR.fields} - derived


def test_the_round_trip_above_fills_every_field() -> None:
    """A field that is never anything but its default would survive although it was forgotten."""
    filled: set[tuple[type, str]] = set()

    @given(experiments)
    def fill(experiment: model.Experiment) -> None:
        bare = model.Experiment("", (), ()), Metric(""), model.Plan(), funnel.Funnel()
        metric = (*experiment.metrics, bare[1])[0]
        for record, plain in zip((experiment, metric, experiment.plan, experiment.funnel), bare, strict=True):
            own = [field.name for field in fields(record) if getattr(record, field.name) != getattr(plain, field.name)]
            filled.update((type(record), name) for name in own)

    fill()
    kinds = (model.Experiment, Metric, model.Plan, funnel.Funnel)
    assert filled == {(kind, field.name) for kind in kinds for field in fields(kind)}


def test_what_an_older_client_leaves_out_has_its_default() -> None:
    message = contract.Experiment(
        experiment_id="hero",
        metrics=[contract.Metric(name="click", kind=contract.METRIC_KIND_CONVERSION)],
        policy=contract.Policy(fixed=contract.FixedPolicy()),
        exposure=contract.EXPOSURE_RULE_ASSIGNED,
    )
    read = definitions.to_experiment(message)
    assert read.metrics == (Metric("click", window=timedelta(0)),)
    assert (read.plan, read.segments) == (model.Plan(), ())
    assert (read.funnel, read.sticky, read.forced) == (funnel.Funnel(), None, ())
    message.plan.n_units = 500
    assert definitions.to_experiment(message).plan == model.Plan(n_units=500)


@pytest.mark.parametrize(
    ("words_of", "enum"),
    [
        (rows.REASONS, Reason),
        (convert.OPEN_FEATURE_REASONS, OpenFeatureReason),
        (rows.DRAW_KEYS, DrawKey),
        (convert.RECORD_STATUSES, KeptStatus),
        (convert.VERDICTS, Verdict),
        (words.FIELD_TYPES, model.FieldType),
        (words.METRIC_KINDS, MetricKind),
        (words.BETTER, Better),
        (words.ROLES, Role),
        (words.LOOKINGS, model.Looking),
        (words.BOUNDARIES, model.Boundary),
        (words.EXPOSURE_RULES, model.ExposureRule),
        (words.STATUSES, model.Status),
        (words.AGGREGATIONS, Aggregation),
        (words.POSTERIORS, specs.Posterior),
        (words.EXPLORERS, specs.Explorer),
        (words.LEARNER_TYPES, specs.LearnerType),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_word_has_a_number_of_its_own(words_of: dict[object, int], enum: type) -> None:
    assert set(words_of) == set(enum)
    assert len(set(words_of.values())) == len(enum)
    assert sorted(words_of.values())[0] >= (0 if enum is DrawKey else 1)
