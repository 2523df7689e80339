"""The rules among experiments: what one of them needs of the others, and of what all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.candidate_rules import has_several_answers
from engine.condition_rules import one_of
from engine.edits import HAS_UNITS
from engine.errors import InvalidExperiment, InvalidTransition
from engine.experiments import Experiment, ExperimentState, Status
from engine.funnel import LayerRange, Population
from engine.population_rules import IN_USE, needs
from engine.records import DrawKey
from engine.segment_rules import way_back

States = Mapping[str, ExperimentState]


def check(experiment: Experiment, status: Status, others: Iterable[ExperimentState], population: Population) -> None:
    """Check a defined experiment that has this status, or is to have it, beside all others.

    Raises:
        InvalidExperiment: one sentence with every rule that is broken.
    """
    by_id = {each.experiment.experiment_id: each for each in others}
    by_id.pop(experiment.experiment_id, None)
    problems = list(_problems(experiment, status, by_id, population))
    if problems:
        raise InvalidExperiment(f"experiment {experiment.experiment_id!r}: " + "; ".join(problems))


def check_leaving(experiment_id: str, to: Status, others: Iterable[ExperimentState]) -> None:
    """Check that nobody misses an experiment that is to be concluded or archived.

    Raises:
        InvalidTransition: another one that is not over requires it.
    """
    missing = [each.experiment.experiment_id for each in others if _requires(each, experiment_id)]
    if missing and to not in IN_USE:
        raise InvalidTransition(
            f"{experiment_id!r} cannot become {to.value}, because it is a prerequisite of {_joined(missing)}: "
            "end those first, or take it out of their `prerequisites`"
        )


def depending_on(names: Iterable[str], states: Iterable[ExperimentState]) -> list[ExperimentState]:
    """Return the experiments with units that require one of those named, or one that does, in their order."""
    with_units = [state for state in states if state.status in HAS_UNITS]
    reached = set(names)
    found: dict[str, ExperimentState] = {}
    while reached:
        further = {
            each.experiment.experiment_id: each
            for each in with_units
            if each.experiment.experiment_id not in found and reached & each.experiment.funnel.prerequisites.keys()
        }
        found |= further
        reached = set(further)
    return [state for state in with_units if state.experiment.experiment_id in found]


def _requires(state: ExperimentState, experiment_id: str) -> bool:
    return state.status in IN_USE and experiment_id in state.experiment.funnel.prerequisites


def _problems(experiment: Experiment, status: Status, others: States, population: Population) -> Iterator[str]:
    yield from needs(experiment, population)
    yield from _seed_problems(experiment, others)
    if status in HAS_UNITS:
        yield from _overlap_problems(experiment, others)
    for required, variants in experiment.funnel.prerequisites.items():
        yield from _prerequisite_problems(experiment, required, variants, others)
    yield from _cycle_problems(experiment, others)
    for other in others.values():
        if _requires(other, experiment.experiment_id):
            yield from _required_problems(other.experiment, experiment)


def _seed_problems(experiment: Experiment, others: States) -> Iterator[str]:
    for name, other in others.items():
        if other.experiment.seed == experiment.seed:
            yield (
                f"`seed` {experiment.seed!r} is that of experiment {name!r}, whose split it would carry over: "
                "leave it out, or give it another"
            )


# --- layers --------------------------------------------------------------------------------------------------------


def _overlap_problems(experiment: Experiment, others: States) -> Iterator[str]:
    own = experiment.funnel.layer
    if own is None:
        return
    taken = _taken(own.layer, others)
    overlapping = [name for name, part in taken.items() if part.start < own.end and own.start < part.end]
    if overlapping:
        yield (
            f"its range {own.start:g} to {own.end:g} of layer {own.layer!r} overlaps with that of "
            f"{_joined(overlapping)}: {_what_is_free(taken.values())}"
        )


def _taken(layer: str, others: States) -> dict[str, LayerRange]:
    """Return the ranges of a layer that experiments with units have, by experiment."""
    ranges = {name: each.experiment.funnel.layer for name, each in others.items() if each.status in HAS_UNITS}
    return {name: part for name, part in ranges.items() if part is not None and part.layer == layer}


def _what_is_free(taken: Iterable[LayerRange]) -> str:
    free = [f"{start:g} to {end:g}" for start, end in _gaps(taken)]
    return f"free is {' and '.join(free)}" if free else "nothing of it is free"


def _gaps(taken: Iterable[LayerRange]) -> Iterator[tuple[float, float]]:
    """Yield the parts of [0, 1) that nobody has, in order."""
    reached = 0.0
    for part in sorted(taken, key=lambda part: part.start):
        if reached < part.start:
            yield reached, part.start
        reached = max(reached, part.end)
    if reached < 1:
        yield reached, 1.0


# --- prerequisites -------------------------------------------------------------------------------------------------


def _prerequisite_problems(
    experiment: Experiment, required: str, variants: tuple[str, ...], others: States
) -> Iterator[str]:
    if required == experiment.experiment_id:
        return
    state = others.get(required)
    if state is None:
        yield f"prerequisite {required!r} is no experiment: {one_of(others)}"
    elif state.status not in IN_USE:
        yield f"prerequisite {required!r} is {state.status.value}: take it out of `prerequisites`"
    else:
        for problem in _pair_problems(experiment, state.experiment, variants):
            yield f"prerequisite {required!r} {problem}"


def _required_problems(dependent: Experiment, experiment: Experiment) -> Iterator[str]:
    variants = dependent.funnel.prerequisites[experiment.experiment_id]
    for problem in _pair_problems(dependent, experiment, variants):
        yield f"it is a prerequisite of {dependent.experiment_id!r}, and {problem}"


def _pair_problems(dependent: Experiment, required: Experiment, variants: tuple[str, ...]) -> Iterator[str]:
    """Yield what forbids that one experiment requires variants of another; the other one is the subject."""
    known = [variant.name for variant in required.variants]
    for name in variants:
        if name not in known:
            yield f"has no variant {name!r}: {one_of(known)}"
    if required.draw_key is not DrawKey.UNIT:
        yield "does not draw by unit alone, so what a unit has there cannot be known: it must be a test, not sticky"
    if has_several_answers(required):
        yield "takes candidates or fills several slots, so what a unit has there is not one variant: it must be a test"
    if required.unit != dependent.unit:
        yield f"has the unit {required.unit!r} where {dependent.experiment_id!r} has {dependent.unit!r}"
    if _layer(required) and _layer(required) == _layer(dependent):
        yield f"is in layer {_layer(required)!r} too, where nobody is in both: move one of them out"


def _layer(experiment: Experiment) -> str:
    return experiment.funnel.layer.layer if experiment.funnel.layer else ""


def _cycle_problems(experiment: Experiment, others: States) -> Iterator[str]:
    defined = {name: each.experiment for name, each in others.items()} | {experiment.experiment_id: experiment}
    way = way_back(experiment.experiment_id, lambda name: defined[name].funnel.prerequisites if name in defined else ())
    if way:
        yield f"its prerequisites lead back to itself ({' -> '.join(way)}): take one of them out"


def _joined(names: Iterable[str]) -> str:
    return " and ".join(repr(name) for name in names)
