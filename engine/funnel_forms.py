"""Who takes part in an experiment, as it is written in a file: each reader stands beside its writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.blocks import Node, duration_text, time_text
from engine.form_pieces import Reader, all_of, changed, condition, only_one, replaced, short
from engine.funnel import Cap, ForcedRule, Funnel, LayerRange, RampStep, Rest, Sticky

_STEP = "{traffic: 0.1, lasts: 1d, units: 1000}"
_STEP_FIELDS: Mapping[str, str] = {"units": "n_units"}
_RANGE_FIELDS: Mapping[str, str] = {"name": "layer", "from": "start", "to": "end"}


def funnel_data(funnel: Funnel) -> dict[str, Any]:
    """Return what of the funnel is not its default, by the names of the file's fields."""
    return replaced(
        changed(funnel, Funnel()),
        prerequisites=_prerequisites_data,
        audience=short,
        layer=_layer_data,
        traffic=short,
        ramp=_ramp_data,
        starts_at=time_text,
        ends_at=time_text,
        cap=cap_data,
        rest=_rest_data,
    )


def _prerequisites(node: Node) -> dict[str, tuple[str, ...]]:
    return {experiment_id: variants.texts() for experiment_id, variants in node.block("{home-offer: [bold]}").items()}


def _prerequisites_data(prerequisites: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {experiment_id: list(variants) for experiment_id, variants in prerequisites.items()}


def _layer(node: Node) -> LayerRange:
    """Read the name of a layer, which is the whole of it, or its name with a range."""
    if isinstance(node.content, str):
        return LayerRange(node.content)
    given = node.block("{name: checkout, from: 0, to: 0.5}").read(
        **{"name": only_one, "from": Node.number, "to": Node.number}
    )
    if "name" not in given:
        raise node.wrong("the name of a layer, or a range such as {name: checkout, from: 0, to: 0.5}")
    return LayerRange(**{_RANGE_FIELDS[name]: value for name, value in given.items()})


def _layer_data(layer: LayerRange) -> object:
    own = changed(layer, LayerRange(layer.layer))
    written = {name: short(own[field]) for name, field in _RANGE_FIELDS.items() if field in own}
    return {"name": layer.layer, **written} if written else layer.layer


def _ramp(node: Node) -> tuple[RampStep, ...]:
    return tuple(_step(item) for item in node.items(f"[{_STEP}, {{traffic: 1}}]"))


def _step(node: Node) -> RampStep:
    given = node.block(_STEP).read(traffic=Node.number, lasts=Node.duration, units=Node.whole)
    if "traffic" not in given:
        raise node.wrong(f"steps with their traffic, such as {_STEP}")
    return RampStep(**{_STEP_FIELDS.get(name, name): value for name, value in given.items()})


def _ramp_data(ramp: tuple[RampStep, ...]) -> list[dict[str, Any]]:
    return [_step_data(step) for step in ramp]


def _step_data(step: RampStep) -> dict[str, Any]:
    own = replaced(changed(step, RampStep(step.traffic)), lasts=duration_text)
    written = {field: name for name, field in _STEP_FIELDS.items()}
    return {"traffic": short(step.traffic), **{written.get(name, name): value for name, value in own.items()}}


def cap(node: Node) -> Cap:
    """Read how many exposures there are at most in which time."""
    return Cap(**all_of(node, "{n: 3, window: 7d}", n=Node.whole, window=Node.duration))


def cap_data(cap: Cap) -> dict[str, Any]:
    """Return a cap."""
    return {"n": cap.n, "window": duration_text(cap.window)}


def _rest(node: Node) -> Rest:
    example = "{outcome: click, within: 3d, lasts: 14d}"
    return Rest(**all_of(node, example, outcome=only_one, within=Node.duration, lasts=Node.duration))


def _rest_data(rest: Rest) -> dict[str, Any]:
    return {"outcome": rest.outcome, "within": duration_text(rest.within), "lasts": duration_text(rest.lasts)}


def forced(node: Node) -> tuple[ForcedRule, ...]:
    """Read who gets a variant without a draw."""
    example = "{variant: bold, when: {country: NO}}"
    return tuple(
        ForcedRule(**all_of(item, example, variant=only_one, when=condition)) for item in node.items(f"[{example}]")
    )


def forced_data(rules: tuple[ForcedRule, ...]) -> list[dict[str, Any]]:
    """Return the rules."""
    return [{"variant": rule.variant, "when": short(rule.when)} for rule in rules]


def sticky(node: Node) -> Sticky | None:
    """Read true, false, or versions."""
    if isinstance(node.content, Mapping):
        return Sticky(**node.block().read(version=Node.whole, min_version=Node.whole))
    return Sticky() if node.flag() else None


def sticky_data(sticky: Sticky | None) -> object:
    """Return the versions that are not the first ones, or just true."""
    return (changed(sticky, Sticky()) or True) if sticky else None


def fallback_unit(node: Node) -> str:
    """Read a type of unit."""
    name = only_one(node)
    if not name:
        raise node.wrong("a type of unit such as device: leave it out if there is none")
    return name


FUNNEL: Mapping[str, Reader] = {
    "prerequisites": _prerequisites,
    "audience": condition,
    "layer": _layer,
    "traffic": Node.number,
    "ramp": _ramp,
    "starts_at": Node.time,
    "ends_at": Node.time,
    "cap": cap,
    "rest": _rest,
}
"""The readers of the funnel's fields, which stand among those of the experiment."""
