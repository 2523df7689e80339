"""Who takes part in an experiment: the funnel before the policy, ready to be asked.

    holdouts -> audience -> layer -> traffic

Each random step has a purpose and a seed of its own, so that passing one says nothing about passing another, and a
number that depends on the unit alone, so that raising a share moves nobody. What a unit's chance was to pass is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine import randomness
from engine.experiments import Experiment, ExperimentState, Status
from engine.funnel import Condition, Population
from engine.randomness import ONE, Numbers
from engine.records import Inclusion, Reason, Unit, Value
from engine.targeting import compile_condition

Matcher = Callable[[Mapping[str, Value]], bool]
"""A condition ready to be asked about a request's context."""

HOLDOUT, LAYER_HOLDOUT, LAYER, TRAFFIC = "holdout", "layer holdout", "layer", "traffic"
"""The random steps, as the log names them."""

_PURPOSES = {
    HOLDOUT: ("holdout", Reason.HOLDOUT),
    LAYER_HOLDOUT: ("holdout", Reason.HOLDOUT),
    LAYER: ("layer", Reason.LAYER_OCCUPIED),
    TRAFFIC: ("traffic", Reason.OUT_OF_TRAFFIC),
}
"""What each random step's numbers are for, and the reason of an answer that it keeps out."""

_NOT_RUNNING = {
    Status.DRAFT: Reason.DRAFT,
    Status.PAUSED: Reason.PAUSED,
    Status.CONCLUDED: Reason.ENDED,
    Status.ARCHIVED: Reason.ENDED,
}


class Walk:
    """What the requests of one batch share: a number that several experiments ask for is drawn once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Numbers, str], int] = {}

    def number(self, numbers: Numbers, unit_id: str) -> int:
        """Return the unit's number."""
        found = self._known.get((numbers, unit_id))
        if found is None:
            found = self._known[numbers, unit_id] = numbers.of(unit_id)
        return found


@dataclass(frozen=True, slots=True)
class Gate:
    """A random step: a unit passes where its number lies in [start, end), in units of 2**-32."""

    step: str
    purpose: str
    seed: str
    start: int
    end: int
    refusal: Reason
    usual: Numbers = field(compare=False)
    """The numbers of the usual type of unit."""
    unit_type: str

    @classmethod
    def of(cls, unit_type: str, step: str, seed: str, start: int, end: int = ONE) -> Gate:
        """Return a random step of an experiment whose units are of this type."""
        purpose, refusal = _PURPOSES[step]
        return cls(step, purpose, seed, start, end, refusal, randomness.numbers(purpose, seed, unit_type), unit_type)

    @property
    def weight(self) -> int:
        """The chance to pass in units of 2**-32."""
        return self.end - self.start

    def numbers(self, unit_type: str) -> Numbers:
        """Return the numbers by which units of a type pass."""
        return self.usual if unit_type == self.unit_type else randomness.numbers(self.purpose, self.seed, unit_type)

    def passes(self, unit: Unit, walk: Walk | None) -> bool:
        """Whether the unit's number lies in the range."""
        numbers = self.numbers(unit.type)
        number = walk.number(numbers, unit.id) if walk else numbers.of(unit.id)
        return self.start <= number < self.end


@dataclass(frozen=True, slots=True)
class Admission:
    """The funnel of one experiment. `inclusion` is what a row of it logs."""

    holdouts: tuple[Gate, ...]
    audience: Matcher | None
    shares: tuple[Gate, ...]
    inclusion: tuple[Inclusion, ...]

    @classmethod
    def of(cls, experiment: Experiment, population: Population, traffic: float) -> Admission:
        """Return the funnel of an experiment whose conditions are expanded, at this share of traffic."""
        holdouts = tuple(_holdouts(experiment, population))
        shares = tuple(_shares(experiment, population, traffic))
        inclusion = tuple(Inclusion(gate.step, gate.weight) for gate in (*holdouts, *shares))
        return cls(holdouts, compiled(experiment.funnel.audience), shares, inclusion)

    def refusal(self, unit: Unit, context: Mapping[str, Value], walk: Walk | None) -> Reason | None:
        """Return the step that keeps the unit out, or None."""
        for gate in self.holdouts:
            if not gate.passes(unit, walk):
                return gate.refusal
        if self.audience is not None and not self.audience(context):
            return Reason.NOT_IN_AUDIENCE
        for gate in self.shares:
            if not gate.passes(unit, walk):
                return gate.refusal
        return None


def compiled(condition: Condition) -> Matcher | None:
    """Return a condition ready to be asked, or None for the one that holds always."""
    return compile_condition(condition) if condition else None


def not_running(state: ExperimentState, at: datetime) -> Reason | None:
    """Return why an experiment does not answer by its policy at this time, or None."""
    if state.status is not Status.RUNNING:
        return _NOT_RUNNING[state.status]
    funnel = state.experiment.funnel
    if funnel.starts_at is not None and at < funnel.starts_at:
        return Reason.NOT_STARTED
    if funnel.ends_at is not None and at >= funnel.ends_at:
        return Reason.ENDED
    return None


def holdout(population: Population, unit_type: str) -> Gate | None:
    """Return what keeps units of a type out of all experiments, or None where nothing does.

    It depends on the unit alone, so it can be asked of units that the log has no row of.

    >>> gate = holdout(Population(holdout=0.25), "customer")
    >>> [gate.passes(Unit("customer", each), None) for each in ("ann", "ben", "cid", "dora")]
    [True, True, True, False]
    """
    if not population.holdout:
        return None
    return Gate.of(unit_type, HOLDOUT, population.seed, randomness.share_weight(population.holdout))


def _holdouts(experiment: Experiment, population: Population) -> list[Gate]:
    gates, layer = [holdout(population, experiment.unit)], population.layer_of(experiment.funnel)
    if layer is not None and layer.holdout:
        start = randomness.share_weight(layer.holdout)
        gates.append(Gate.of(experiment.unit, LAYER_HOLDOUT, layer.seed, start))
    return [gate for gate in gates if gate is not None]


def _shares(experiment: Experiment, population: Population, traffic: float) -> list[Gate]:
    gates, own, layer = [], experiment.funnel.layer, population.layer_of(experiment.funnel)
    if own is not None and layer is not None:
        start, end = randomness.share_weight(own.start), randomness.share_weight(own.end)
        gates.append(Gate.of(experiment.unit, LAYER, layer.seed, start, end))
    if traffic < 1:
        gates.append(Gate.of(experiment.unit, TRAFFIC, experiment.seed, 0, randomness.share_weight(traffic)))
    return gates
