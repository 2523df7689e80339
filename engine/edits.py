"""What of a definition or of the population was edited, and whether that moves units: then it opens an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from engine.expansion import expanded
from engine.experiments import Experiment, ExperimentState, Status
from engine.funnel import Funnel, Layer, Population
from engine.metrics import Metric
from engine.records import DrawKey
from engine.widening import exact, is_wider

_HOW_READ = ("winsor", "range", "quantile", "better", "role", "margin", "effect", "covariates")
"""Fields of a metric that say how a report reads it, and change no reward."""

HAS_UNITS = (Status.RUNNING, Status.PAUSED)
"""Where units have variants already, and could be moved."""

Edit = Callable[[Experiment, Experiment], bool]


def changed_fields(before: Experiment, after: Experiment) -> tuple[str, ...]:
    """Return the names of what differs between two definitions, the funnel's fields beside the others, as in a file.

    >>> from engine.funnel import Funnel
    >>> hero = Experiment("hero", (), ())
    >>> changed_fields(hero, replace(hero, seed="new", funnel=Funnel(traffic=0.5)))
    ('seed', 'traffic')
    """
    return _differing(_flat(before), _flat(after))


def changed_in_population(before: Population, after: Population) -> tuple[str, ...]:
    """Return the names of what differs between two populations.

    >>> changed_in_population(Population(), Population(groups={"nordic": ("NO",)}, holdout=0.1))
    ('groups', 'holdout')
    """
    return _differing(_fields(before), _fields(after))


def moves_units(before: ExperimentState, after: ExperimentState) -> bool:
    """Whether units could get another variant, or a policy learn something else, by this change of a definition."""
    edited = changed_fields(before.experiment, after.experiment)
    return after.traffic < before.traffic or not all(
        name in _SAFE and _SAFE[name](before.experiment, after.experiment) for name in edited
    )


def population_moves_units(state: ExperimentState, before: Population, after: Population) -> bool:
    """Whether units of an experiment could get another variant by this change of what all experiments share."""
    layer = state.experiment.funnel.layer
    if not _holds_out_no_more(before, after):
        return True
    if layer and not _layer_stays(before.layers.get(layer.layer), after.layers.get(layer.layer)):
        return True
    was, becomes = (replace(state, experiment=expanded(state.experiment, each)) for each in (before, after))
    return moves_units(was, becomes)


def _layer_stays(before: Layer | None, after: Layer | None) -> bool:
    if before is None or after is None:
        return before is after
    same = (before.unit, before.seed, before.cap) == (after.unit, after.seed, after.cap)
    return same and _holds_out_no_more(before, after)


def _holds_out_no_more(before: Population | Layer, after: Population | Layer) -> bool:
    return not after.holdout or (before.seed == after.seed and after.holdout <= before.holdout)


def _flat(experiment: Experiment) -> dict[str, Any]:
    own = _fields(experiment)
    return {name: value for name, value in own.items() if name != "funnel"} | _fields(experiment.funnel)


def _fields(record: Experiment | Funnel | Population) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in before if exact(before[name]) != exact(after[name]))


def _always(_before: Experiment, _after: Experiment) -> bool:
    return True


def _shows_or_not(before: Experiment, after: Experiment) -> bool:
    """Whether variants are the same but for which are blank, which no draw and no policy depends on."""
    one, other = ([replace(each, is_blank=False) for each in these.variants] for these in (before, after))
    return exact(one) == exact(other)


def _lets_everybody_stay(before: Experiment, after: Experiment) -> bool:
    return is_wider(before.funnel.audience, after.funnel.audience)


def _leaves_its_layer(_before: Experiment, after: Experiment) -> bool:
    return after.funnel.layer is None


def _kills_more(before: Experiment, after: Experiment) -> bool:
    """Whether more variants are killed, and by draws each of which logs what it was drawn from.

    A unit that is drawn once and for all would else have two variants in one epoch.
    """
    return after.draw_key is not DrawKey.UNIT and set(before.killed) <= set(after.killed)


def _learns_nothing(_before: Experiment, after: Experiment) -> bool:
    return not after.policy.learns


def _learns_the_same(before: Experiment, after: Experiment) -> bool:
    return not after.policy.learns or _rewarded(before) == _rewarded(after)


def _rewarded(experiment: Experiment) -> list[Metric]:
    plain = {name: getattr(Metric(""), name) for name in _HOW_READ}
    return [replace(metric, **plain) for metric in experiment.metrics]


_SAFE: Mapping[str, Edit] = {
    "brief": _always,
    "variants": _shows_or_not,
    "plan": _always,
    "segments": _always,
    "starts_at": _always,
    "ends_at": _always,
    "traffic": _always,
    "ramp": _always,
    "audience": _lets_everybody_stay,
    "layer": _leaves_its_layer,
    "killed": _kills_more,
    "metrics": _learns_the_same,
    "grace": _learns_nothing,
    "reward": _learns_nothing,
    "reward_scale": _learns_nothing,
    "reward_default": _learns_nothing,
    "shadow": _always,
}
"""When an edit of a field moves nobody; of any other field each one does. The share that is in now counts as it is."""
