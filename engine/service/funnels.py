"""Who takes part in an experiment, and the population, between the contract and the engine, in pairs."""

from __future__ import annotations

from collections.abc import Mapping

from armlift.v1 import experiment_pb2 as contract
from armlift.v1.value_pb2 import ListValue, MapValue
from armlift.values import value, values

from engine.errors import InvalidPopulation
from engine.funnel import (
    Cap,
    Condition,
    ForcedRule,
    Funnel,
    Layer,
    LayerRange,
    Population,
    PopulationChange,
    RampStep,
    Rest,
    Sticky,
)
from engine.records import Value
from engine.service.values import from_duration, from_time, to_duration, to_time, to_value, to_values


def to_condition(message: MapValue) -> Condition:
    """Return a condition, its fields in the order of the alphabet: the wire keeps none."""
    return _sorted(to_values(message.values))


def from_condition(condition: Condition) -> MapValue:
    """Return the message of a condition."""
    return MapValue(values=values(condition))


def _sorted(fields: Mapping[str, Value]) -> dict[str, Value]:
    return {name: _ordered(fields[name]) for name in sorted(fields)}


def _ordered(value: Value) -> Value:
    match value:
        case Mapping():
            return _sorted(value)
        case list():
            return [_ordered(each) for each in value]
        case _:
            return value


def to_funnel(message: contract.Funnel) -> Funnel:
    """Return the funnel as it was sent; what is not set has its default.

    Raises:
        InvalidRequest: a time or duration is none of Python's.
    """
    return Funnel(
        prerequisites={each.experiment_id: tuple(each.variants) for each in message.prerequisites},
        audience=to_condition(message.audience),
        layer=_to_range(message.layer) if message.HasField("layer") else None,
        traffic=message.traffic if message.HasField("traffic") else Funnel().traffic,
        ramp=tuple(RampStep(step.traffic, to_duration(step.lasts), step.n_units) for step in message.ramp),
        starts_at=to_time(message.starts_at) if message.HasField("starts_at") else None,
        ends_at=to_time(message.ends_at) if message.HasField("ends_at") else None,
        cap=to_cap(message.cap) if message.HasField("cap") else None,
        rest=_to_rest(message.rest) if message.HasField("rest") else None,
    )


def from_funnel(funnel: Funnel) -> contract.Funnel:
    """Return the message of a funnel."""
    return contract.Funnel(
        prerequisites=[
            contract.Prerequisite(experiment_id=other, variants=names) for other, names in funnel.prerequisites.items()
        ],
        audience=from_condition(funnel.audience) if funnel.audience else None,
        layer=_from_range(funnel.layer) if funnel.layer else None,
        traffic=funnel.traffic,
        ramp=[_from_step(step) for step in funnel.ramp],
        starts_at=from_time(funnel.starts_at) if funnel.starts_at else None,
        ends_at=from_time(funnel.ends_at) if funnel.ends_at else None,
        cap=from_cap(funnel.cap) if funnel.cap else None,
        rest=_from_rest(funnel.rest) if funnel.rest else None,
    )


def _to_range(message: contract.LayerRange) -> LayerRange:
    return LayerRange(message.layer, message.start, message.end)


def _from_range(layer: LayerRange) -> contract.LayerRange:
    return contract.LayerRange(layer=layer.layer, start=layer.start, end=layer.end)


def _from_step(step: RampStep) -> contract.RampStep:
    return contract.RampStep(traffic=step.traffic, lasts=from_duration(step.lasts), n_units=step.n_units)


def to_cap(message: contract.Cap) -> Cap:
    """Return a cap."""
    return Cap(message.n, to_duration(message.window))


def from_cap(cap: Cap) -> contract.Cap:
    """Return the message of a cap."""
    return contract.Cap(n=cap.n, window=from_duration(cap.window))


def _to_rest(message: contract.Rest) -> Rest:
    return Rest(message.outcome, to_duration(message.within), to_duration(message.lasts))


def _from_rest(rest: Rest) -> contract.Rest:
    within, lasts = from_duration(rest.within), from_duration(rest.lasts)
    return contract.Rest(outcome=rest.outcome, within=within, lasts=lasts)


def to_forced(message: contract.ForcedRule) -> ForcedRule:
    """Return a rule that forces a variant."""
    return ForcedRule(message.variant, to_condition(message.when))


def from_forced(rule: ForcedRule) -> contract.ForcedRule:
    """Return the message of a rule that forces a variant."""
    return contract.ForcedRule(variant=rule.variant, when=from_condition(rule.when))


def to_sticky(message: contract.Sticky) -> Sticky:
    """Return the versions of stickiness."""
    return Sticky(message.version, message.min_version)


def from_sticky(sticky: Sticky) -> contract.Sticky:
    """Return the message of the versions of stickiness."""
    return contract.Sticky(version=sticky.version, min_version=sticky.min_version)


def to_population(message: contract.Population) -> Population:
    """Return the population as it was sent, neither completed nor checked; names are in the order of the alphabet.

    Raises:
        InvalidPopulation: a group holds something else than numbers, texts and flags.
        InvalidRequest: a duration is longer than Python can say.
    """
    return Population(
        segments={name: to_condition(message.segments[name]) for name in sorted(message.segments)},
        groups={name: _to_group(name, message.groups[name]) for name in sorted(message.groups)},
        layers={name: _to_layer(message.layers[name]) for name in sorted(message.layers)},
        holdout=message.holdout,
        seed=message.seed,
    )


def from_population(population: Population) -> contract.Population:
    """Return the message of the population."""
    return contract.Population(
        segments={name: from_condition(segment) for name, segment in population.segments.items()},
        groups={name: ListValue(values=map(value, group)) for name, group in population.groups.items()},
        layers={name: _from_layer(layer) for name, layer in population.layers.items()},
        holdout=population.holdout,
        seed=population.seed,
    )


def _to_group(name: str, message: ListValue) -> tuple[float | str | bool, ...]:
    return tuple(_member(name, to_value(each)) for each in message.values)


def _member(group: str, value: Value) -> float | str | bool:
    if not isinstance(value, bool | float | str):
        raise InvalidPopulation(f"group {group!r} must hold numbers, texts and flags alone")
    return value


def _to_layer(message: contract.Layer) -> Layer:
    cap = to_cap(message.cap) if message.HasField("cap") else None
    return Layer(message.unit, message.holdout, message.seed, cap)


def _from_layer(layer: Layer) -> contract.Layer:
    cap = from_cap(layer.cap) if layer.cap else None
    return contract.Layer(unit=layer.unit, holdout=layer.holdout, seed=layer.seed, cap=cap)


def to_population_change(message: contract.PopulationChange) -> PopulationChange:
    """Return a change of the population."""
    return PopulationChange(
        message.revision, to_time(message.changed_at), message.actor, message.reason, tuple(message.fields)
    )


def from_population_change(change: PopulationChange) -> contract.PopulationChange:
    """Return the message of a change of the population."""
    return contract.PopulationChange(
        revision=change.revision,
        changed_at=from_time(change.changed_at),
        actor=change.actor,
        reason=change.reason,
        fields=change.fields,
    )
