"""The population as a file: friendly form <-> Population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.blocks import Node
from engine.errors import InvalidExperiment, InvalidPopulation
from engine.form_pieces import Reader, changed, condition, only_one, replaced, short
from engine.funnel import Condition, Layer, Population
from engine.funnel_forms import cap, cap_data
from engine.population_rules import define_population
from engine.yaml_text import parse, write

_ROOT = "population"


def is_population(text: str) -> bool:
    """Whether a file is one of the population: it begins with the field `population`.

    >>> is_population("population: {holdout: 0.05}"), is_population("experiment: hero")
    (True, False)
    """
    try:
        return next(iter(parse(text)), "") == _ROOT
    except InvalidExperiment:
        return False


def load(text: str, name: str = "the file") -> Population:
    """Return the population that a file declares, with everything filled in that was left out.

    Raises:
        InvalidPopulation: one line with the file's name, the line where it is known, and what to do.

    >>> load("population: {layers: {checkout: {holdout: 0.05}}}").layers["checkout"].seed
    'checkout'
    """
    try:
        given = parse(text, name).read(**{_ROOT: _population})
    except InvalidExperiment as error:
        raise InvalidPopulation(str(error)) from None
    if _ROOT not in given:
        raise InvalidPopulation(f"{name}: `{_ROOT}` is missing: write it such as `population: {{holdout: 0.05}}`")
    try:
        return define_population(given[_ROOT])
    except InvalidPopulation as error:
        raise InvalidPopulation(f"{name}: {error}") from None


def dump(population: Population) -> str:
    """Return the shortest file of a defined population: `load` gives back an equal one.

    >>> print(dump(load("population: {groups: {nordic: [NO, SE]}, holdout: 0.05}")), end="")
    population:
      groups:
        nordic: [NO, SE]
      holdout: 0.05
    """
    own = replaced(changed(population, Population()), groups=_groups_data, layers=_layers_data)
    return write({_ROOT: {name: short(value) for name, value in own.items()}})


def _population(node: Node) -> Population:
    return Population(**node.block().read(**_POPULATION))


def _segments(node: Node) -> dict[str, Condition]:
    return {name: condition(each) for name, each in node.block().items()}


def _groups(node: Node) -> dict[str, tuple[float | str | bool, ...]]:
    return {name: tuple(_member(item) for item in group.items()) for name, group in node.block().items()}


def _member(node: Node) -> float | str | bool:
    value = node.value()
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, int | float):
        raise node.wrong("a list of numbers, texts, true or false")
    return node.number()


def _groups_data(groups: Mapping[str, tuple[float | str | bool, ...]]) -> dict[str, list[float | str | bool]]:
    return {name: list(group) for name, group in groups.items()}


def _layers(node: Node) -> dict[str, Layer]:
    return {name: Layer(**each.block().read(**_LAYER)) for name, each in node.block().items()}


def _layers_data(layers: Mapping[str, Layer]) -> dict[str, dict[str, Any]]:
    return {name: replaced(changed(layer, Layer(seed=name)), cap=cap_data) for name, layer in layers.items()}


_LAYER: Mapping[str, Reader] = {"unit": only_one, "holdout": Node.number, "seed": Node.text, "cap": cap}
_POPULATION: Mapping[str, Reader] = {
    "segments": _segments,
    "groups": _groups,
    "layers": _layers,
    "holdout": Node.number,
    "seed": Node.text,
}
