"""Experiments, their states and changes between the contract and the engine, in pairs."""

from __future__ import annotations

from dataclasses import replace

from armlift.v1 import experiment_pb2 as contract
from armlift.values import values

from engine.errors import InvalidExperiment, InvalidRequest
from engine.experiments import Brief, Change, ContextField, Experiment, ExperimentState, Factor, Status, Variant
from engine.metrics import RewardTerm
from engine.records import Context
from engine.reward_rules import default_scale
from engine.service.funnels import from_forced, from_funnel, from_sticky, to_forced, to_funnel, to_sticky
from engine.service.metrics import from_metric, from_plan, to_metric, to_plan
from engine.service.policies import from_policy, to_policy
from engine.service.values import from_duration, from_time, to_duration, to_time, to_values
from engine.service.words import (
    AGGREGATION_OF,
    AGGREGATIONS,
    EXPOSURE_RULE_OF,
    EXPOSURE_RULES,
    FIELD_TYPE_OF,
    FIELD_TYPES,
    STATUS_OF,
    STATUSES,
    known,
)
from engine.storage.rows import DRAW_KEYS


def to_experiment(message: contract.Experiment) -> Experiment:
    """Return the experiment as it was sent, neither completed nor checked.

    Raises:
        InvalidExperiment: an enum or the policy is not set.
    """
    return Experiment(
        experiment_id=message.experiment_id,
        variants=tuple(_to_variant(variant) for variant in message.variants),
        metrics=tuple(to_metric(metric) for metric in message.metrics),
        brief=_to_brief(message.brief),
        factors=tuple(Factor(factor.name, tuple(factor.levels)) for factor in message.factors),
        context=tuple(_to_field(field) for field in message.context),
        requires_consent=message.requires_consent,
        unit=message.unit,
        control=message.control,
        default=message.default_variant,
        policy=to_policy(message.policy),
        reward=tuple(_to_term(term) for term in message.reward),
        exposure=known(EXPOSURE_RULE_OF, message.exposure, "exposure"),
        seed=message.seed,
        grace=to_duration(message.grace),
        plan=to_plan(message.plan),
        segments=tuple(message.segments),
        funnel=to_funnel(message.funnel),
        forced=tuple(to_forced(rule) for rule in message.forced),
        sticky=to_sticky(message.sticky) if message.HasField("sticky") else None,
        fallback_unit=message.fallback_unit,
        killed=tuple(message.killed),
        shadow=to_policy(message.shadow) if message.HasField("shadow") else None,
        candidates=_to_candidates(message.candidates) if message.HasField("candidates") else None,
        slots=message.slots or 1,
        reward_scale=_to_scale(message.reward_scale) if message.HasField("reward_scale") else None,
        reward_default=message.reward_default,
    )


def from_experiment(experiment: Experiment) -> contract.Experiment:
    """Return the message of an experiment.

    A reward's scale that follows from its weights is left out: sent back with other weights it would be an old one.
    """
    return contract.Experiment(
        experiment_id=experiment.experiment_id,
        variants=[_from_variant(variant) for variant in experiment.variants],
        metrics=[from_metric(metric) for metric in experiment.metrics],
        brief=_from_brief(experiment.brief),
        factors=[contract.Factor(name=factor.name, levels=factor.levels) for factor in experiment.factors],
        context=[_from_field(field) for field in experiment.context],
        requires_consent=experiment.requires_consent,
        unit=experiment.unit,
        control=experiment.control,
        default_variant=experiment.default,
        policy=from_policy(experiment.policy),
        reward=[_from_term(term) for term in experiment.reward],
        exposure=EXPOSURE_RULES[experiment.exposure],
        seed=experiment.seed,
        grace=from_duration(experiment.grace),
        plan=from_plan(experiment.plan),
        segments=experiment.segments,
        funnel=from_funnel(experiment.funnel),
        forced=[from_forced(rule) for rule in experiment.forced],
        sticky=from_sticky(experiment.sticky) if experiment.sticky else None,
        fallback_unit=experiment.fallback_unit,
        killed=experiment.killed,
        shadow=from_policy(experiment.shadow) if experiment.shadow else None,
        candidates=_from_candidates(experiment.candidates) if experiment.candidates is not None else None,
        slots=experiment.slots,
        reward_scale=_from_scale(experiment),
        reward_default=experiment.reward_default,
    )


def from_state(state: ExperimentState) -> contract.ExperimentState:
    """Return the message of an experiment's state."""
    return contract.ExperimentState(
        experiment=from_experiment(state.experiment),
        status=STATUSES[state.status],
        revision=state.revision,
        epoch=state.epoch,
        etag=state.etag,
        snapshot=state.snapshot,
        draw_key=DRAW_KEYS[state.experiment.draw_key],
        step=state.step,
        step_at=from_time(state.step_at) if state.step_at else None,
        traffic=state.traffic,
        shadow_snapshot=state.shadow_snapshot,
        pinned=state.pinned,
    )


def to_state(message: contract.ExperimentState) -> ExperimentState:
    """Return an experiment's state."""
    experiment = to_experiment(message.experiment)
    return ExperimentState(
        experiment=replace(experiment, reward_scale=experiment.reward_scale or default_scale(experiment)),
        status=to_status(message.status),
        revision=message.revision,
        epoch=message.epoch,
        etag=message.etag,
        snapshot=message.snapshot,
        step=message.step,
        step_at=to_time(message.step_at) if message.HasField("step_at") else None,
        shadow_snapshot=message.shadow_snapshot,
        pinned=message.pinned,
    )


def from_change(change: Change) -> contract.Change:
    """Return the message of a change."""
    return contract.Change(
        changed_at=from_time(change.changed_at),
        actor=change.actor,
        action=change.action,
        reason=change.reason,
        status=STATUSES[change.status],
        revision=change.revision,
        epoch=change.epoch,
        fields=change.fields,
    )


def to_change(experiment_id: str, message: contract.Change) -> Change:
    """Return a change of an experiment."""
    return Change(
        experiment_id,
        to_time(message.changed_at),
        message.actor,
        message.action,
        message.reason,
        to_status(message.status),
        message.revision,
        message.epoch,
        tuple(message.fields),
    )


def to_status(message: contract.Status.ValueType) -> Status:
    """Return a status.

    Raises:
        InvalidRequest: it is not set.
    """
    if message not in STATUS_OF:
        raise InvalidRequest("say where the experiment is to go: `status` is not set")
    return STATUS_OF[message]


def _to_brief(message: contract.Brief) -> Brief:
    return Brief(
        hypothesis=message.hypothesis,
        goal=message.goal,
        segment=message.segment,
        moment=message.moment,
        channel=message.channel,
        tactic=message.tactic,
    )


def _from_brief(brief: Brief) -> contract.Brief:
    return contract.Brief(
        hypothesis=brief.hypothesis,
        goal=brief.goal,
        segment=brief.segment,
        moment=brief.moment,
        channel=brief.channel,
        tactic=brief.tactic,
    )


def _to_variant(message: contract.Variant) -> Variant:
    features, levels = _to_features(message), dict(message.levels)
    return Variant(message.name, message.payload or "{}", features, levels, message.is_blank)


def _to_features(message: contract.Variant) -> Context:
    features = {}
    for name, value in to_values(message.features).items():
        if not isinstance(value, bool | float | str | list):
            raise InvalidExperiment(f"feature {name!r} of variant {message.name!r} is no number, text, flag or texts")
        features[name] = tuple(str(item) for item in value) if isinstance(value, list) else value
    return features


def _from_variant(variant: Variant) -> contract.Variant:
    return contract.Variant(
        name=variant.name,
        payload=variant.payload,
        features=values(variant.features),
        levels=variant.levels,
        is_blank=variant.is_blank,
    )


def _to_field(message: contract.ContextField) -> ContextField:
    kind = known(FIELD_TYPE_OF, message.type, f"type of context field {message.name!r}")
    return ContextField(message.name, kind, message.required)


def _from_field(field: ContextField) -> contract.ContextField:
    return contract.ContextField(name=field.name, type=FIELD_TYPES[field.type], required=field.required)


def _to_candidates(message: contract.Candidates) -> tuple[ContextField, ...]:
    return tuple(_to_field(field) for field in message.features)


def _from_candidates(features: tuple[ContextField, ...]) -> contract.Candidates:
    return contract.Candidates(features=[_from_field(field) for field in features])


def _to_term(message: contract.RewardTerm) -> RewardTerm:
    aggregation = known(AGGREGATION_OF, message.aggregation, f"aggregation of {message.metric!r}")
    return RewardTerm(message.metric, message.weight, aggregation)


def _from_term(term: RewardTerm) -> contract.RewardTerm:
    aggregation = AGGREGATIONS[term.aggregation]
    return contract.RewardTerm(metric=term.metric, weight=term.weight, aggregation=aggregation)


def _to_scale(message: contract.Range) -> tuple[float, float]:
    return message.low, message.high


def _from_scale(experiment: Experiment) -> contract.Range | None:
    if experiment.reward_scale is None or experiment.reward_scale == default_scale(experiment):
        return None
    low, high = experiment.reward_scale
    return contract.Range(low=low, high=high)
