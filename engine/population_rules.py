"""The rules of what all experiments share: what is filled in, what is refused, and what experiments need of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.condition_rules import one_of
from engine.errors import InvalidPopulation
from engine.experiments import Experiment, ExperimentState, Status
from engine.funnel import Condition, Layer, Population
from engine.funnel_rules import cap_problems, in_one_form, problems_of_condition
from engine.metric_rules import bad_names
from engine.segment_rules import NOTHING_DECLARED, naming_problems, segment_problems
from engine.specs import FixedSpec, SegmentsSpec

IN_USE = (Status.DRAFT, Status.RUNNING, Status.PAUSED)
"""Experiments that are not over: what they need must be there."""

Member = float | str | bool


def define_population(population: Population) -> Population:
    """Return the population with everything filled in that was left out: a layer's seed is its name.

    Raises:
        InvalidPopulation: one sentence with every rule that is broken.

    >>> define_population(Population(layers={"checkout": Layer()})).layers["checkout"].seed
    'checkout'
    """
    complete = replace(
        population,
        segments={name: in_one_form(condition) for name, condition in population.segments.items()},
        groups={name: tuple(map(_in_one_form, group)) for name, group in population.groups.items()},
        layers={name: replace(layer, seed=layer.seed or name) for name, layer in population.layers.items()},
        seed=population.seed or Population().seed,
    )
    problems = list(_problems(complete))
    if problems:
        raise InvalidPopulation("the population: " + "; ".join(problems))
    return complete


def check_population(population: Population, states: Iterable[ExperimentState]) -> None:
    """Check that experiments which are not over find in a population what they need of it.

    Raises:
        InvalidPopulation: one sentence with everything that they miss.
    """
    needing = [state.experiment for state in states if state.status in IN_USE]
    problems = [f"experiment {each.experiment_id!r}: {why}" for each in needing for why in needs(each, population)]
    if problems:
        raise InvalidPopulation("the population would not do for its experiments: " + "; ".join(problems))


def needs(experiment: Experiment, population: Population) -> Iterator[str]:
    """Yield a sentence for everything that an experiment needs of a population and does not find."""
    yield from _layer_needs(experiment, population)
    for what, condition, only_declared in _conditions(experiment):
        for problem in naming_problems(experiment, condition, population, only_declared=only_declared):
            yield f"{what}: {problem}"


def _layer_needs(experiment: Experiment, population: Population) -> Iterator[str]:
    if experiment.funnel.layer is None:
        return
    name = experiment.funnel.layer.layer
    layer = population.layers.get(name)
    if layer is None:
        yield f"`layer` names {name!r}, which is no layer of the population: {one_of(population.layers)}"
    elif layer.unit != experiment.unit:
        yield f"its unit is {experiment.unit!r} and that of layer {name!r} is {layer.unit!r}: they must be the same"


def _conditions(experiment: Experiment) -> Iterator[tuple[str, Condition, bool]]:
    """Yield each condition with what it is called, and whether it reads declared fields alone."""
    yield "the audience", experiment.funnel.audience, False
    for number, forced in enumerate(experiment.forced, 1):
        yield f"forced rule {number}", forced.when, False
    rules, whose = _rules(experiment)
    for number, rule in enumerate(rules.rules if rules else (), 1):
        yield f"rule {number}{whose}", rule.when, True


def _rules(experiment: Experiment) -> tuple[SegmentsSpec | None, str]:
    match experiment.policy:
        case FixedSpec():
            return None, ""
        case SegmentsSpec() as policy:
            return policy, ""
        case policy:
            return policy.prior, " of the prior"


# --- what is refused -----------------------------------------------------------------------------------------------


def _problems(population: Population) -> Iterator[str]:
    yield from bad_names("segment", population.segments.keys())
    yield from bad_names("group", population.groups.keys())
    yield from bad_names("layer", population.layers.keys())
    yield from _share_problems("the holdout", population.holdout)
    for name, layer in population.layers.items():
        yield from _layer_problems(name, layer)
    yield from _seed_problems(population)
    for name, group in population.groups.items():
        yield from _group_problems(name, group)
    yield from segment_problems(population)


def _share_problems(what: str, share: float) -> Iterator[str]:
    if not 0 <= share < 1:
        yield f"{what} is {share:g} and must be a share in [0, 1)"


def _layer_problems(name: str, layer: Layer) -> Iterator[str]:
    if not layer.unit.strip():
        yield f"`unit` of layer {name!r} must name what is divided, such as customer"
    yield from _share_problems(f"the holdout of layer {name!r}", layer.holdout)
    if layer.cap:
        yield from cap_problems(f"the cap of layer {name!r}", layer.cap)


def _seed_problems(population: Population) -> Iterator[str]:
    owners = defaultdict(list, {population.seed: ["the holdout of all"]})
    for name, layer in population.layers.items():
        owners[layer.seed].append(f"layer {name!r}")
    for seed, those in owners.items():
        if len(those) > 1:
            yield f"{' and '.join(those)} have the seed {seed!r}, so they would part the units alike: give each its own"


def _group_problems(name: str, group: tuple[Member, ...]) -> Iterator[str]:
    if not group:
        yield f"group {name!r} is empty: give it values, or leave it out"
        return
    if len({type(member) for member in group}) > 1:
        yield f"group {name!r} has values of several types: it can have numbers, texts or flags"
    yield from problems_of_condition(NOTHING_DECLARED, f"group {name!r}", {"a member": {"$in": group}})


def _in_one_form(member: Member) -> Member:
    return float(member) if isinstance(member, int) and not isinstance(member, bool) else member
