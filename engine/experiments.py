"""What a team declares: experiments with their variants, metrics and policies; `definition.py` has the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from engine.records import Context, DrawKey


class FieldType(Enum):
    """The type of a declared field of the context."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    TEXTS = "texts"


class MetricKind(Enum):
    """The kind of a metric: whether it happened, or how much it brought."""

    CONVERSION = "conversion"
    REVENUE = "revenue"


class ExposureRule(Enum):
    """What counts as having met the variant: the answer, or a reported exposure."""

    ASSIGNED = "assigned"
    REPORTED = "reported"


class Status(Enum):
    """Where an experiment is in its life: draft -> running <-> paused -> concluded -> archived."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    CONCLUDED = "concluded"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Brief:
    """Why an experiment exists."""

    hypothesis: str = ""
    goal: str = ""
    segment: str = ""
    moment: str = ""
    channel: str = ""
    tactic: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be chosen. `payload` is JSON text; `levels` is its level of each factor."""

    name: str
    payload: str = "{}"
    features: Context = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Factor:
    """An axis of a multivariate test; its first level is the baseline."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextField:
    """A field of the context that the experiment declares: nothing else is stored or seen by a policy."""

    name: str
    type: FieldType
    required: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """Something to be achieved. `cap` bounds what one unit or assignment can bring."""

    name: str
    kind: MetricKind = MetricKind.CONVERSION
    window: timedelta = timedelta(days=7)
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One metric's part of the reward: a conversion adds its weight, revenue its weight times value / cap."""

    metric: str
    weight: float


@dataclass(frozen=True, slots=True)
class FixedSpec:
    """A test: always the same distribution. Empty `weights` means equal ones."""

    kind: ClassVar[str] = "fixed"
    draw_key: ClassVar[DrawKey] = DrawKey.UNIT
    learns: ClassVar[bool] = False
    floor: ClassVar[float] = 0.0
    control_share: ClassVar[float] = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThompsonSpec:
    """Draws each variant with its posterior probability of being best (Beta posterior of a reward in [0, 1])."""

    kind: ClassVar[str] = "thompson"
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = True
    floor: float = 0.02
    control_share: float = 0.0
    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    publish_every: int = 200


@dataclass(frozen=True, slots=True)
class ContextualSpec:
    """A contextual bandit: SquareCB on a linear model with context-by-variant interactions."""

    kind: ClassVar[str] = "contextual"
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = True
    floor: float = 0.02
    control_share: float = 0.0
    gamma: float = 10.0
    publish_every: int = 200


PolicySpec = FixedSpec | ThompsonSpec | ContextualSpec
"""How the distribution is found."""

POLICY_SPECS: Mapping[str, type[PolicySpec]] = {spec.kind: spec for spec in (FixedSpec, ThompsonSpec, ContextualSpec)}
"""Policies by the word that names them in a file."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Variants, policy, metrics and reward; `definition.define` fills in what was left out and checks the rest."""

    experiment_id: str
    variants: tuple[Variant, ...]
    metrics: tuple[Metric, ...]
    brief: Brief = Brief()
    factors: tuple[Factor, ...] = ()
    context: tuple[ContextField, ...] = ()
    requires_consent: str = ""
    unit: str = "customer"
    control: str = ""
    default: str = ""
    policy: PolicySpec = FixedSpec()
    reward: tuple[RewardTerm, ...] = ()
    exposure: ExposureRule = ExposureRule.ASSIGNED
    seed: str = ""
    grace: timedelta = timedelta(0)

    @property
    def reward_window(self) -> timedelta:
        """How long after its exposure an assignment can still earn reward."""
        windows = {metric.name: metric.window for metric in self.metrics}
        return max((windows[term.metric] for term in self.reward), default=timedelta(0))

    @property
    def maturity_age(self) -> timedelta:
        """The age at which an exposed assignment is learned from, whatever it earned."""
        return self.reward_window + self.grace

    def variant(self, name: str) -> Variant:
        """Return the variant of this name; KeyError where there is none."""
        return next(variant for variant in self.variants if variant.name == name)

    def metric(self, name: str) -> Metric | None:
        """Return the metric of this name, or None where it is not declared."""
        return next((metric for metric in self.metrics if metric.name == name), None)


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """An experiment and where it is in its life. `snapshot` is the hash of the live learned state, or empty."""

    experiment: Experiment
    status: Status
    revision: int
    epoch: int
    etag: str
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what, when and why; status, revision and epoch are those after it."""

    experiment_id: str
    changed_at: datetime
    actor: str
    action: str
    reason: str
    status: Status
    revision: int
    epoch: int
