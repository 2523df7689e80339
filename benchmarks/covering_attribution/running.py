"""One run: customers come by in the world of channels, and their log is asked what each touch earned and caused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources

import numpy as np
from numpy.typing import NDArray

from analysis.attribution import incremental
from analysis.attribution.credits import Credits, credit
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.journeys import By
from analysis.attribution.stores import reading
from engine import files
from engine.experiments import Experiment
from engine.randomness import ONE
from engine.records import Assignment, Group
from simulators.doors import EngineDoor
from simulators.rehearsal import rehearse
from simulators.worlds import Channels
from simulators.worlds.channels import PURCHASE
from simulators.worlds.demand import CHANNELS, DIRECT
from simulators.worlds.increments import Increment, Truth

Floats = NDArray[np.float64]

REACHED = tuple(channel for channel in CHANNELS if channel != DIRECT)
"""The channels in which something is shown."""

RULES = (
    "first",
    "last",
    "linear",
    "position",
    "time_decay",
    "markov_1",
    "markov_2",
    "shapley_conversions",
    "shapley_rate",
)
"""Those that are compared; the last that is not direct is the last here, because what is direct is no touch."""

MEASURES = ("purchases", "euros")
"""The columns of what is told."""


@dataclass(frozen=True)
class Told:
    """What one run says was caused in all, beside the truth; None where it says that nothing can be said."""

    truth: float
    value: float | None
    low: float = np.nan
    high: float = np.nan

    @property
    def misses(self) -> bool:
        """Whether the interval leaves out the truth."""
        return not self.low <= self.truth <= self.high


@dataclass(frozen=True)
class Run:
    """What a log said. `effects` are by what they are of and by measure.

    `credited` are what rules give the channels and, last, nobody, (6, 2), and `caused` what is true of these.
    """

    effects: Mapping[tuple[str, str], Told]
    credited: Mapping[str, Floats]
    caused: Floats


@cache
def experiments() -> Sequence[Experiment]:
    """Return the experiments, one or more a channel."""
    folder = resources("simulators.recipes") / "channels"
    found = [files.load(path.read_text(encoding="utf-8"), path.name) for path in folder.iterdir()]
    return sorted(found, key=lambda each: (REACHED.index(each.brief.channel), each.experiment_id))


@cache
def _world() -> Channels:
    return Channels()


def run(n_customers: int, seed: int, number: int) -> Run:
    """Return what the log of a run says; the seed and the number say which run it is."""
    own = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    door, _ = rehearse(_world(), experiments(), n_customers, own)
    truth = _world().truth(experiments(), {each.experiment_id: _shares(door, each) for each in _learning()})
    return Run(dict(_effects(door, truth, n_customers)), _credited(door), _caused(truth) * n_customers)


def _learning() -> Sequence[Experiment]:
    return [each for each in experiments() if each.policy.learns]


def _shares(door: EngineDoor, experiment: Experiment) -> Mapping[str, float]:
    """Return with which probabilities a policy that learns answered, in the mean, with the control share."""
    drawn = [
        entry.distribution
        for entry in door.store.entries(limit=10**7)
        if isinstance(entry, Assignment)
        and entry.experiment_id == experiment.experiment_id
        and entry.is_draw
        and entry.group is Group.POLICY
    ]
    kept = experiment.policy.control_share
    means = np.array(drawn, np.float64).mean(axis=0) / ONE
    return {
        variant.name: (1 - kept) * float(mean) + kept * (variant.name == experiment.control)
        for variant, mean in zip(experiment.variants, means, strict=True)
    }


def _effects(door: EngineDoor, truth: Truth, n_customers: int) -> Iterator[tuple[tuple[str, str], Told]]:
    """Yield what is told of each channel, of experiments that share one, and of variants that are drawn by unit."""
    units = incremental.read(door.store, PURCHASE)
    for channel in REACHED:
        own = [each for each in experiments() if each.brief.channel == channel]
        found = incremental.effect(units, [each.experiment_id for each in own], channel)
        yield from _told(channel, found, truth.by_channel[channel], n_customers)
        for each in own if len(own) > 1 else ():
            name = each.experiment_id
            effect = incremental.effect(units, [name], name)
            yield from _told(name, effect, truth.by_experiment[name], n_customers)
        for each in own:
            if not each.policy.learns and len(each.variants) > 2:
                # An experiment whose counts do not fit its propensities has no variants to tell of.
                known = {str(effect.name): effect for effect in incremental.variants(units, each.experiment_id)}
                for variant in each.variants:
                    if variant.name != each.control:
                        name = f"{each.experiment_id}/{variant.name}"
                        yield from _told(name, known.get(name), truth.by_variant[name], n_customers)


def _told(
    name: str, effect: Effect | None, increment: Increment, n_customers: int
) -> Iterator[tuple[tuple[str, str], Told]]:
    true = increment.purchases * n_customers, increment.value * n_customers
    for place, (measure, truth) in enumerate(zip(MEASURES, true, strict=True)):
        estimate = None if effect is None else effect.at_one_look.total[place]
        if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
            yield (name, measure), Told(truth, None)
        else:
            yield (name, measure), Told(truth, estimate.value, estimate.low, estimate.high)


def _credited(door: EngineDoor) -> Mapping[str, Floats]:
    with reading.read(door.store, PURCHASE) as touched:
        found = credit(touched.journeys(By.CHANNEL), RULES)
    return {each.rule.name: _in_order(found, each.amounts) for each in found.by_rule}


def _in_order(found: Credits, amounts: Floats) -> Floats:
    """Return amounts (p, 2) of touchpoints as they are of channels and nobody, (6, 2)."""
    ordered = [amounts[found.touchpoints.index(channel)] for channel in REACHED]
    return np.array([*ordered, found.untouched.sum(axis=0)])


def _caused(truth: Truth) -> Floats:
    """Return what is true per customer of the channels, and what would have come anyway, (6, 2)."""
    by_channel = [truth.by_channel[channel] for channel in REACHED]
    return np.array([*((each.purchases, each.value) for each in by_channel), (truth.demand, truth.demand_value)])
