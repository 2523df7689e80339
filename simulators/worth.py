"""What an experiment can expect to be rewarded with, by how likely each event is: exactly, by the engine's own rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidExperiment
from engine.experiments import Experiment
from engine.metrics import Metric
from engine.reward_rules import worth_limits
from engine.rewards import reward_of
from simulators.deeds import Deed, Wait

Floats = NDArray[np.float64]

_MOST_EVENTS = 12
_STEPS = 256
"""In how many steps the amounts of all events are integrated: exactly, but for the one in which a scale cuts a sum."""

_EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class Event:
    """Deeds that happen together, with one luck for when and how much; each has a wait of its own.

    `lift` is the variant's, by which scores go.
    """

    deeds: tuple[Deed, ...]
    waits: tuple[Wait, ...]
    lift: float = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """A metric that reads a deed, which is within its window with probability `in_time`."""

    deed: Deed
    metric: Metric
    in_time: float


@dataclass(frozen=True, slots=True)
class _Atom:
    """A way in which an event can turn out, with its probability, as values by metric."""

    probability: float
    values: Mapping[str, Sequence[float]]


class Worth:
    """The expected reward of one assignment as a function of the probability that each event happens and is told.

    Events are independent, so it is multilinear in their probabilities: the rewards of the 2^m sets of events that
    happen say everything. Where no scale cuts the sum and no default stands in for it, it is linear.
    """

    def __init__(self, experiment: Experiment, events: Sequence[Event]) -> None:
        """Work out the reward of every set of events.

        Raises:
            InvalidExperiment: the reward is made of too many outcomes.
        """
        metrics = [experiment.metric(term.metric) for term in experiment.reward]
        self._metrics = [metric for metric in metrics if metric is not None]
        # Only these matter, in the order of their probabilities.
        self._places = [place for place, event in enumerate(events) if self._readings(event)]
        if len(self._places) > _MOST_EVENTS:
            raise InvalidExperiment(
                f"the reward is made of {len(self._places)} outcomes, and {_MOST_EVENTS} is the most in a simulation"
            )
        atoms = self._atoms([events[place] for place in self._places])
        self._table = _table(experiment, atoms)
        nothing = self._table[(0,) * len(atoms)]
        self._slopes = [float(self._table[_only(place, len(atoms))] - nothing) for place in range(len(atoms))]
        self._nothing = float(nothing)
        self._is_linear = _is_linear(self._table, self._nothing, self._slopes)

    def of(self, chances: Sequence[Floats]) -> Floats:
        """Return the expected reward (k,) by the chances of each event, one array (k,) for each."""
        if not self._places:
            return np.full(len(chances[0]) if len(chances) else 0, self._nothing)
        if self._is_linear:
            return self._along_lines(chances)
        table: Floats = self._table[..., None]
        for place in self._places:
            table = table[0] + (table[1] - table[0]) * chances[place]
        return table

    def _along_lines(self, chances: Sequence[Floats]) -> Floats:
        total = chances[self._places[0]] * self._slopes[0] + self._nothing
        for place, slope in zip(self._places[1:], self._slopes[1:], strict=True):
            total += chances[place] * slope
        return total

    def _readings(self, event: Event) -> list[_Reading]:
        """Return how the reward's metrics read an event."""
        return [
            _Reading(deed, metric, wait.by(metric.window))
            for deed, wait in zip(event.deeds, event.waits, strict=True)
            for metric in self._metrics
            if metric.outcome == deed.outcome
        ]

    def _atoms(self, events: Sequence[Event]) -> list[list[_Atom]]:
        n_sized = sum(any(deed.is_amount for deed in event.deeds) for event in events)
        n_steps = round(_STEPS ** (1 / max(n_sized, 1)))
        return [list(self._atoms_of(event, n_steps)) for event in events]

    def _atoms_of(self, event: Event, n_steps: int) -> Iterator[_Atom]:
        """Yield every stretch of waits between the ends of windows, with every stretch of sizes."""
        readings = self._readings(event)
        caps = [limit for each in readings for limit in worth_limits(each.metric) or () if limit > 0]
        edges = sorted({0.0, 1.0, *(edge for each in readings for edge in each.deed.edges(caps, n_steps, event.lift))})
        for before, by in itertools.pairwise(sorted({0.0, 1.0, *(each.in_time for each in readings)})):
            seen = [each for each in readings if each.in_time >= by]
            for low, high in itertools.pairwise(edges if seen else (0.0, 1.0)):
                values = {each.metric.name: [each.deed.mean_value(low, high, event.lift)] for each in seen}
                yield _Atom((by - before) * (high - low), values)


def _table(experiment: Experiment, atoms: Sequence[Sequence[_Atom]]) -> Floats:
    """Return the mean reward (2, 2, ...) of each set of events: index 1 where an event happens."""
    table = np.zeros((2,) * len(atoms))
    for happens in np.ndindex(table.shape):
        ways = itertools.product(*(each for each, is_in in zip(atoms, happens, strict=True) if is_in))
        table[happens] = sum(_mean_part(experiment, way) for way in ways)
    return table


def _mean_part(experiment: Experiment, way: Sequence[_Atom]) -> float:
    probability = 1.0
    values: dict[str, Sequence[float]] = {}
    for atom in way:
        probability *= atom.probability
        values |= atom.values
    return probability * reward_of(experiment, values) if probability else 0.0


def _only(place: int, n: int) -> tuple[int, ...]:
    return tuple(int(each == place) for each in range(n))


def _is_linear(table: Floats, nothing: float, slopes: Sequence[float]) -> bool:
    sums = nothing + sum(
        (slope * np.indices(table.shape)[place] for place, slope in enumerate(slopes)), start=np.zeros(table.shape)
    )
    return bool(np.allclose(table, sums, rtol=0.0, atol=_EXACT))
