"""What a unit has to pass before a policy is asked, and what all experiments share: as data.

`admission` decides by it, `funnel_rules` has its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.records import Unit, Value

Condition = Mapping[str, Value]
"""A condition over a request's context in the Mongo style of GrowthBook; the empty one holds always."""


@dataclass(frozen=True, slots=True)
class LayerRange:
    """An experiment's part [start, end) of a layer's [0, 1): no other experiment gets the units in it."""

    layer: str
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class RampStep:
    """A share of traffic, and what must have come before the next step: time in this one, and exposed units in all."""

    traffic: float
    lasts: timedelta = timedelta(0)
    n_units: int = 0


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `n` exposures of a unit within any stretch of `window`, from the revision on that declares it.

    Where exposures are reported, an answer counts once its exposure is.
    """

    n: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Rest:
    """A unit without the outcome `within` an exposure is left alone until `lasts` have passed after that."""

    outcome: str
    within: timedelta
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Funnel:
    """Who takes part in an experiment, and when.

    `prerequisites` names other experiments, each with those of its variants of which the unit must have one. With a
    ramp, the traffic is that of the ramp's current step.
    """

    prerequisites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audience: Condition = field(default_factory=dict)
    layer: LayerRange | None = None
    traffic: float = 1.0
    ramp: tuple[RampStep, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    cap: Cap | None = None
    rest: Rest | None = None


@dataclass(frozen=True, slots=True)
class ForcedRule:
    """Whoever the condition holds for gets the variant, without a draw."""

    variant: str
    when: Condition


@dataclass(frozen=True, slots=True)
class ForcedUnit:
    """A unit that gets a variant without a draw; an empty variant ends it.

    It is kept beside the plain unit ids and in no definition, because revisions stay for ever and a unit may not.
    """

    experiment_id: str
    unit: Unit
    variant: str


@dataclass(frozen=True, slots=True)
class Sticky:
    """Units keep the variant that they were drawn, also through epochs.

    A row of another `version` is not kept and its unit drawn anew; a unit whose row is older than `min_version` is left
    out of the experiment.
    """

    version: int = 1
    min_version: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A space in which experiments exclude each other; `holdout` is the share of units that none of them gets.

    The cap counts the exposures of all experiments of the layer.
    """

    unit: str = "customer"
    holdout: float = 0.0
    seed: str = ""
    cap: Cap | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """How the units are divided among all experiments.

    `segments` are named conditions, `groups` named lists of values for `$inGroup`. `holdout` is the share of units that
    no experiment gets.
    """

    segments: Mapping[str, Condition] = field(default_factory=dict)
    groups: Mapping[str, tuple[float | str | bool, ...]] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    holdout: float = 0.0
    seed: str = "holdout"

    def layer_of(self, funnel: Funnel) -> Layer | None:
        """Return the layer that an experiment with this funnel is in, or None."""
        return self.layers.get(funnel.layer.layer) if funnel.layer else None


@dataclass(frozen=True, slots=True)
class PopulationState:
    """The population and its revision, which is its etag too; revision 0 is the empty one of a new store."""

    population: Population = Population()
    revision: int = 0

    @property
    def etag(self) -> str:
        """What is sent with a change."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class PopulationChange:
    """Who changed the population, when and why; `revision` is the one after it, `fields` what changed."""

    revision: int
    changed_at: datetime
    actor: str
    reason: str
    fields: tuple[str, ...] = ()
