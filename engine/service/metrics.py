"""Metrics and plans between the contract and the engine, in pairs."""

from __future__ import annotations

from armlift.v1 import experiment_pb2 as contract

from engine.experiments import Plan
from engine.metrics import Metric
from engine.service.values import from_duration, to_duration
from engine.service.words import (
    BETTER,
    BETTER_OF,
    BOUNDARIES,
    BOUNDARY_OF,
    LOOKING_OF,
    LOOKINGS,
    METRIC_KIND_OF,
    METRIC_KINDS,
    ROLE_OF,
    ROLES,
    known,
)


def to_metric(message: contract.Metric) -> Metric:
    """Return a metric.

    Raises:
        InvalidExperiment: an enum is not one of the contract's.
    """
    return Metric(
        name=message.name,
        kind=known(METRIC_KIND_OF, message.kind, f"kind of metric {message.name!r}"),
        window=to_duration(message.window),
        cap=message.cap if message.HasField("cap") else None,
        of=message.of,
        per=message.per,
        after=to_duration(message.after),
        winsor=message.winsor if message.HasField("winsor") else None,
        range=(message.range.low, message.range.high) if message.HasField("range") else None,
        quantile=message.quantile if message.HasField("quantile") else None,
        better=known(BETTER_OF, message.better, f"direction of metric {message.name!r}"),
        role=known(ROLE_OF, message.role, f"role of metric {message.name!r}"),
        margin=message.margin if message.HasField("margin") else None,
        effect=message.effect if message.HasField("effect") else None,
        covariates=tuple(message.covariates),
    )


def from_metric(metric: Metric) -> contract.Metric:
    """Return the message of a metric."""
    return contract.Metric(
        name=metric.name,
        kind=METRIC_KINDS[metric.kind],
        window=from_duration(metric.window),
        cap=metric.cap,
        of=metric.of,
        per=metric.per,
        after=from_duration(metric.after) if metric.after else None,
        winsor=metric.winsor,
        range=contract.Range(low=metric.range[0], high=metric.range[1]) if metric.range else None,
        quantile=metric.quantile,
        better=BETTER[metric.better],
        role=ROLES[metric.role],
        margin=metric.margin,
        effect=metric.effect,
        covariates=metric.covariates,
    )


def to_plan(message: contract.Plan) -> Plan:
    """Return a plan; what is not set has its default.

    Raises:
        InvalidExperiment: an enum is not one of the contract's.
    """
    return Plan(
        looking=known(LOOKING_OF, message.looking, "plan's `looking`"),
        looks=message.looks if message.HasField("looks") else Plan().looks,
        boundary=known(BOUNDARY_OF, message.boundary, "plan's boundary"),
        n_units=message.n_units,
        power=message.power if message.HasField("power") else Plan().power,
    )


def from_plan(plan: Plan) -> contract.Plan:
    """Return the message of a plan."""
    return contract.Plan(
        looking=LOOKINGS[plan.looking],
        looks=plan.looks,
        boundary=BOUNDARIES[plan.boundary],
        n_units=plan.n_units,
        power=plan.power,
    )
