"""A read-only view of all experiments with their live policies; a change replaces it whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.admission import Admission, Matcher, compiled
from engine.candidates import CandidateReader, reader_of
from engine.context import Fields, fields
from engine.errors import SnapshotRefused, UnknownExperiment
from engine.expansion import expanded
from engine.experiments import Experiment, ExperimentState, ExposureRule, Status, Variant
from engine.funnel import ForcedUnit, PopulationState
from engine.policies import Policy, build, prior_policy
from engine.records import Snapshot, Unit
from engine.snapshots import verify

FindSnapshot = Callable[[str, str], Snapshot | None]
"""Finds the snapshot of an experiment and a hash."""

ForcedUnits = Mapping[str, Mapping[Unit, str]]
"""Variants of units that get them without a draw, by experiment."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """An experiment as it answers now. Without a policy (not running, or unavailable) it answers its default.

    `experiment` is the definition with its conditions expanded; `shadow` is the policy that is asked beside the serving
    one and serves nobody; `reader` reads candidates, None where it takes none; `is_remembered` is whether a later
    answer to the same unit can depend on its rows.
    """

    state: ExperimentState
    experiment: Experiment
    policy: Policy | None
    shadow: Policy | None
    by_name: Mapping[str, Variant]
    fields: Fields
    reader: CandidateReader | None
    admission: Admission
    forced: tuple[tuple[Matcher | None, str], ...]
    prior: Policy | None
    is_remembered: bool


@dataclass(frozen=True)
class Catalog:
    """Experiments by id, with what they share."""

    by_id: Mapping[str, Live]
    population: PopulationState = field(default_factory=PopulationState)
    forced: ForcedUnits = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        states: Iterable[ExperimentState],
        find_snapshot: FindSnapshot,
        population: PopulationState = PopulationState(),  # noqa: B008 (it is frozen)
        forced: Iterable[ForcedUnit] = (),
    ) -> Catalog:
        """Return the catalog of these states. A policy that cannot be restored is reported, and its default served."""
        lives = (revive(state, population, find_snapshot) for state in states)
        by_experiment: dict[str, dict[Unit, str]] = {}
        for each in forced:
            by_experiment.setdefault(each.experiment_id, {})[each.unit] = each.variant
        return cls({live.experiment.experiment_id: live for live in lives}, population, by_experiment)

    def find(self, experiment_id: str) -> Live:
        """Return one experiment.

        Raises:
            UnknownExperiment: there is none of this id.
        """
        live = self.by_id.get(experiment_id)
        if live is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r}: `armlift list` shows what there is")
        return live

    def with_(self, *lives: Live) -> Catalog:
        """Return the catalog with experiments added or replaced."""
        return replace(self, by_id={**self.by_id, **{live.experiment.experiment_id: live for live in lives}})

    def forcing(self, forced: ForcedUnit) -> Catalog:
        """Return the catalog in which a unit gets a variant without a draw, or no longer does."""
        others = {unit: name for unit, name in self.forced.get(forced.experiment_id, {}).items() if unit != forced.unit}
        if forced.variant:
            others[forced.unit] = forced.variant
        return replace(self, forced={**self.forced, forced.experiment_id: others})

    def experiments(self) -> Iterator[Experiment]:
        """Yield every definition."""
        return (live.experiment for live in self.by_id.values())

    @cached_property
    def running(self) -> Sequence[str]:
        """The ids of the running experiments, in their order, but for those that take candidates.

        Who asks for all of them has a unit and a context, and that is enough for these.
        """
        running = (name for name, live in self.by_id.items() if live.state.status is Status.RUNNING)
        return sorted(name for name in running if self.by_id[name].reader is None)

    @cached_property
    def layers(self) -> Mapping[str, Mapping[str, ExposureRule]]:
        """How exposures count in the experiments of each layer."""
        found: dict[str, dict[str, ExposureRule]] = {}
        for experiment in self.experiments():
            if experiment.funnel.layer is not None:
                found.setdefault(experiment.funnel.layer.layer, {})[experiment.experiment_id] = experiment.exposure
        return found


def live(
    state: ExperimentState, policy: Policy | None, population: PopulationState, shadow: Policy | None = None
) -> Live:
    """Return how an experiment answers with this policy, and with this one in its shadow."""
    experiment = expanded(state.experiment, population.population)
    funnel, sticky = experiment.funnel, experiment.sticky
    layer = population.population.layer_of(funnel)
    return Live(
        state,
        experiment,
        policy,
        shadow,
        {variant.name: variant for variant in experiment.variants},
        fields(experiment.context),
        None if experiment.candidates is None else reader_of(experiment.candidates),
        Admission.of(experiment, population.population, state.traffic),
        tuple((compiled(rule.when), rule.variant) for rule in experiment.forced),
        prior_policy(experiment),
        bool(sticky or funnel.cap or funnel.rest or (layer and layer.cap)),
    )


def staged(
    state: ExperimentState, population: PopulationState, find_snapshot: FindSnapshot, before: Live | None = None
) -> Live:
    """Return how an experiment would answer with its snapshots, each verified where it moved since `before`.

    Of the policy and its shadow the one that did not move stays as it is, be it unavailable: neither waits for the
    other. Where nothing moved, the policy is verified once more.

    Raises:
        SnapshotRefused: a snapshot is missing or does not verify.
    """
    experiment = expanded(state.experiment, population.population)
    is_same, is_same_shadow = _unmoved(before, state, experiment)
    policy = before.policy if before and is_same and not is_same_shadow else restore(state, population, find_snapshot)
    shadow = before.shadow if before and is_same_shadow else restore_shadow(state, population, find_snapshot)
    return live(state, policy, population, shadow)


def revive(
    state: ExperimentState, population: PopulationState, find_snapshot: FindSnapshot, before: Live | None = None
) -> Live:
    """Return how an experiment answers, its policies restored where they may differ from those `before`.

    A policy that cannot be restored is reported and its default served; a shadow is reported and left out.
    """
    if state.status is not Status.RUNNING:
        return live(state, None, population)
    if before and before.state.status is not Status.RUNNING:
        before = None
    is_same, is_same_shadow = _unmoved(before, state, expanded(state.experiment, population.population))
    of = state, population, find_snapshot
    policy = before.policy if before and is_same else _reported(restore, *of, "serves its default")
    shadow = before.shadow if before and is_same_shadow else _reported(restore_shadow, *of, "goes without its shadow")
    return live(state, policy, population, shadow)


def restore(state: ExperimentState, population: PopulationState, find_snapshot: FindSnapshot) -> Policy:
    """Return the policy of a state: untaught where no snapshot is live.

    Raises:
        SnapshotRefused: the live snapshot is missing or does not verify.
    """
    return _restored(expanded(state.experiment, population.population), state.snapshot, find_snapshot)


def restore_shadow(state: ExperimentState, population: PopulationState, find_snapshot: FindSnapshot) -> Policy | None:
    """Return the shadow policy of a state, untaught where it has no snapshot, or None where there is no shadow.

    Raises:
        SnapshotRefused: its snapshot is missing or does not verify.
    """
    shadowed = expanded(state.experiment, population.population).shadowed
    return _restored(shadowed, state.shadow_snapshot, find_snapshot) if shadowed else None


def _restored(experiment: Experiment, hash: str, find_snapshot: FindSnapshot) -> Policy:
    if not hash:
        return build(experiment)
    snapshot = find_snapshot(experiment.experiment_id, hash)
    if snapshot is None:
        raise SnapshotRefused(f"snapshot {hash[:12]} is not in the learner's file: restore learning.db")
    return verify(snapshot, experiment)


def _reported(
    restoring: Callable[[ExperimentState, PopulationState, FindSnapshot], Policy | None],
    state: ExperimentState,
    population: PopulationState,
    find_snapshot: FindSnapshot,
    otherwise: str,
) -> Policy | None:
    try:
        return restoring(state, population, find_snapshot)
    except SnapshotRefused as refused:
        _log.error("%s %s: %s", state.experiment.experiment_id, otherwise, refused)
        return None


def _unmoved(before: Live | None, state: ExperimentState, experiment: Experiment) -> tuple[bool, bool]:
    """Return whether the policy and whether its shadow is the one that answers already."""
    if before is None:
        return False, False
    was, own = before.state, replace(experiment, shadow=None)
    is_same = (was.epoch, was.snapshot, replace(before.experiment, shadow=None)) == (state.epoch, state.snapshot, own)
    shadows = (was.shadow_snapshot, before.experiment.shadowed), (state.shadow_snapshot, experiment.shadowed)
    return is_same, shadows[0] == shadows[1]
