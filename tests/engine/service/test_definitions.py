"""Experiments between the contract and the engine: nothing is lost, and no field can be forgotten."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
from armlift.v1 import experiment_pb2 as contract
from hypothesis import given
from hypothesis import strategies as st

from engine import experiments as model
from engine.engine import Status
from engine.recompute import Verdict
from engine.records import DrawKey, KeptStatus, OpenFeatureReason, Reason
from engine.service import convert, definitions
from engine.storage import rows

words = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(1, 10_000)
durations = st.timedeltas(timedelta(0), timedelta(days=10_000))
features = st.dictionaries(names, st.one_of(numbers, words, st.booleans(), st.lists(words).map(tuple)), max_size=3)
variants = st.builds(
    model.Variant,
    name=words,
    payload=st.sampled_from(["{}", '{"a": [1, null]}', '"ü"']),
    features=features,
    levels=st.dictionaries(words, words, max_size=2),
)
metrics = st.builds(
    model.Metric,
    name=words,
    kind=st.sampled_from(model.MetricKind),
    window=durations,
    cap=st.none() | numbers,
)
policies = st.one_of(
    st.builds(model.FixedSpec, weights=st.dictionaries(words, numbers, max_size=3)),
    st.builds(model.ThompsonSpec, numbers, numbers, numbers, numbers, counts),
    st.builds(model.ContextualSpec, numbers, numbers, numbers, counts),
)
experiments = st.builds(
    model.Experiment,
    experiment_id=words,
    variants=st.lists(variants, max_size=3).map(tuple),
    metrics=st.lists(metrics, max_size=3).map(tuple),
    brief=st.builds(model.Brief, words, words, words, words, words, words),
    factors=st.lists(st.builds(model.Factor, words, st.lists(words).map(tuple)), max_size=2).map(tuple),
    context=st.lists(
        st.builds(model.ContextField, words, st.sampled_from(model.FieldType), st.booleans()), max_size=3
    ).map(tuple),
    requires_consent=words,
    unit=words,
    control=words,
    default=words,
    policy=policies,
    reward=st.lists(st.builds(model.RewardTerm, words, numbers), max_size=2).map(tuple),
    exposure=st.sampled_from(model.ExposureRule),
    seed=words,
    grace=durations,
)


@given(experiments)
def test_an_experiment_survives_the_wire(experiment: model.Experiment) -> None:
    sent = definitions.from_experiment(experiment).SerializeToString()
    assert definitions.to_experiment(contract.Experiment.FromString(sent)) == experiment


@given(experiments, st.sampled_from(Status), counts, counts, words, words)
def test_a_state_survives_the_wire(
    experiment: model.Experiment, status: Status, revision: int, epoch: int, etag: str, snapshot: str
) -> None:
    state = model.ExperimentState(experiment, status, revision, epoch, etag, snapshot)
    assert definitions.to_state(definitions.from_state(state)) == state


RENAMED = {"default": "default_variant"}
"""Fields that the contract calls otherwise, because a word is taken there."""

PAIRS = [
    (model.Experiment, contract.Experiment, set()),
    (model.Brief, contract.Brief, set()),
    (model.Variant, contract.Variant, set()),
    (model.Factor, contract.Factor, set()),
    (model.ContextField, contract.ContextField, set()),
    (model.Metric, contract.Metric, set()),
    (model.RewardTerm, contract.RewardTerm, set()),
    (model.FixedSpec, contract.FixedPolicy, set()),
    (model.ThompsonSpec, contract.ThompsonPolicy, set()),
    (model.ContextualSpec, contract.ContextualPolicy, set()),
    (model.ExperimentState, contract.ExperimentState, {"draw_key"}),  # derived from the policy
    (model.Change, contract.Change, set()),
]


@pytest.mark.parametrize(("ours", "theirs", "derived"), PAIRS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_new_field_is_not_forgotten(ours: type, theirs: type, derived: set[str]) -> None:
    left_out = {"experiment_id"} if ours is model.Change else set()  # a change travels inside its experiment
    declared = {RENAMED.get(field.name, field.name) for field in fields(ours)} - left_out
    assert declared == {field.name for field in theirs.DESCRIPTOR.fields} - derived


def test_the_round_trip_above_fills_every_field() -> None:
    """A field that is never anything but its default would survive although it was forgotten."""
    filled: set[str] = set()

    @given(experiments)
    def fill(experiment: model.Experiment) -> None:
        bare = model.Experiment("", (), ())
        filled.update(f.name for f in fields(experiment) if getattr(experiment, f.name) != getattr(bare, f.name))

    fill()
    assert filled == {field.name for field in fields(model.Experiment)}


@pytest.mark.parametrize(
    ("words_of", "enum"),
    [
        (rows.REASONS, Reason),
        (convert.OPEN_FEATURE_REASONS, OpenFeatureReason),
        (rows.DRAW_KEYS, DrawKey),
        (convert.RECORD_STATUSES, KeptStatus),
        (convert.VERDICTS, Verdict),
        (definitions.FIELD_TYPES, model.FieldType),
        (definitions.METRIC_KINDS, model.MetricKind),
        (definitions.EXPOSURE_RULES, model.ExposureRule),
        (definitions.STATUSES, model.Status),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_word_has_a_number_of_its_own(words_of: dict[object, int], enum: type) -> None:
    assert set(words_of) == set(enum)
    assert len(set(words_of.values())) == len(enum)
    assert sorted(words_of.values())[0] >= (0 if enum is DrawKey else 1)
