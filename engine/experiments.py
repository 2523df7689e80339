"""What a team declares: experiments with their variants, metrics and policies; `definition.py` has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from engine.funnel import ForcedRule, Funnel, Sticky
from engine.metrics import Metric, RewardTerm, Role, by_outcome
from engine.records import Candidate, Context, DrawKey
from engine.specs import FixedSpec, PolicySpec


class FieldType(Enum):
    """The type of a declared field of the context."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    TEXTS = "texts"


class Looking(Enum):
    """When the report may be read and acted upon."""

    ANY = "any"
    """At any time, as often as anybody likes."""
    ONCE = "once"
    """Once, at an end that was fixed before the start."""
    PLANNED = "planned"
    """At `looks` evenly spaced looks, the last one at `n_units`."""


class Boundary(Enum):
    """How the error is spent over planned looks."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"


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


def said(status: Status) -> str:
    """Return the status as it stands after "is" in a sentence.

    >>> said(Status.DRAFT), said(Status.RUNNING)
    ('a draft', 'running')
    """
    return "a draft" if status is Status.DRAFT else status.value


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
    """One thing that can be chosen. `payload` is JSON text; `levels` is its level of each factor.

    A blank one shows nothing, as in a test of sending an e-mail or none: whoever gets it meets nothing. It is drawn,
    logged and compared as any other; attribution counts no touch of it.
    """

    name: str
    payload: str = "{}"
    features: Context = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    is_blank: bool = False

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Return a candidate as a variant: what a request brings along is chosen as anything else is.

        >>> Variant.of(Candidate("news", {"price": 3.0}))
        Variant(name='news', payload='{}', features={'price': 3.0}, levels={}, is_blank=False)
        """
        return cls(candidate.name, features=candidate.features)


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
class Plan:
    """How the experiment is to be read. `n_units` is the planned number of analysed units in all, 0 if unplanned."""

    looking: Looking = Looking.ANY
    looks: int = 5
    boundary: Boundary = Boundary.OBRIEN_FLEMING
    n_units: int = 0
    power: float = 0.8


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
    policy: PolicySpec = field(default_factory=FixedSpec)
    reward: tuple[RewardTerm, ...] = ()
    exposure: ExposureRule = ExposureRule.ASSIGNED
    seed: str = ""
    grace: timedelta = timedelta(0)
    plan: Plan = Plan()
    segments: tuple[str, ...] = ()
    """Fields of the context by which a report is cut; empty means every declared text and flag."""
    funnel: Funnel = field(default_factory=Funnel)
    forced: tuple[ForcedRule, ...] = ()
    sticky: Sticky | None = None
    fallback_unit: str = ""
    """The type of unit that is randomised where a request has none of `unit`, such as a device before the login."""
    killed: tuple[str, ...] = ()
    """Variants that nobody gets any more, in the order in which they were killed: their own units are drawn again."""
    shadow: PolicySpec | None = None
    """A second policy, whose distribution is logged beside the serving one's and serves nobody."""
    candidates: tuple[ContextField, ...] | None = None
    """What a policy may know of variants that requests bring along; None: requests bring none."""
    slots: int = 1
    """The most positions that a request may fill.

    Each slot is learned from alike, and no policy is told which one it fills. Where the place alone decides much, ask
    for one slot at a time, with the place as a field of the context, and exclude what is shown already.
    """
    reward_scale: tuple[float, float] | None = None
    """The least and the most that the weighted sum can be: it is scaled from there to [0, 1]."""
    reward_default: float = 0.0
    """What an exposed assignment without any outcome earns, as a weighted sum."""

    @property
    def draw_key(self) -> DrawKey:
        """What its draws are keyed by."""
        return DrawKey.UNIT_ONCE if self.sticky else self.policy.draw_key

    @property
    def primary(self) -> Metric:
        """The metric that the verdict is about: the first goal, or the heaviest of the reward, or the first.

        A guardrail is passed over as long as there is any other metric.
        """
        goals = [metric for metric in self.metrics if metric.role is Role.GOAL]
        if goals or not self.reward:
            others = [metric for metric in self.metrics if metric.role is not Role.GUARDRAIL]
            return (goals or others or list(self.metrics))[0]
        heaviest = max(self.reward, key=lambda term: term.weight).metric
        return next(metric for metric in self.metrics if metric.name == heaviest)

    @property
    def goals(self) -> tuple[Metric, ...]:
        """The metrics that decide: those whose role says so, or the primary one."""
        return tuple(metric for metric in self.metrics if metric.role is Role.GOAL) or (self.primary,)

    @property
    def outcomes(self) -> frozenset[str]:
        """The names of the outcomes that its metrics are made of."""
        return frozenset(by_outcome(self.metrics))

    def sources(self, metric: Metric) -> frozenset[str]:
        """Return the names of the outcomes that a metric is computed from: for a ratio, those of its two metrics."""
        parts = (metric,) if metric.outcome else (self.metric(metric.of), self.metric(metric.per))
        return frozenset(part.outcome for part in parts if part is not None)

    @property
    def reward_window(self) -> timedelta:
        """How long after its exposure an assignment can still earn reward."""
        windows = {metric.name: metric.window for metric in self.metrics}
        return max((windows[term.metric] for term in self.reward), default=timedelta(0))

    @property
    def maturity_age(self) -> timedelta:
        """The age at which an exposed assignment is learned from, whatever it earned."""
        return self.reward_window + self.grace

    @property
    def shadowed(self) -> Experiment | None:
        """The experiment as its shadow policy serves it, or None where it has none."""
        return replace(self, policy=self.shadow, shadow=None) if self.shadow else None

    def alive(self, among: Iterable[Variant]) -> list[Variant]:
        """Return those of some variants that were not killed."""
        return [variant for variant in among if variant.name not in self.killed]

    def variant(self, name: str) -> Variant:
        """Return the variant of this name; KeyError where there is none."""
        return next(variant for variant in self.variants if variant.name == name)

    def metric(self, name: str) -> Metric | None:
        """Return the metric of this name, or None where it is not declared."""
        return next((metric for metric in self.metrics if metric.name == name), None)


ROLLED_BACK = -1
"""The step of a ramp that was rolled back: nobody is in."""


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """An experiment and where it is in its life. `snapshot` is the hash of the live learned state, or empty.

    `step` is the ramp's current one since `step_at`; ROLLED_BACK is before the first. `shadow_snapshot` is the shadow
    policy's. A `pinned` snapshot stays the live one whatever is learned.
    """

    experiment: Experiment
    status: Status
    revision: int
    epoch: int
    etag: str
    snapshot: str = ""
    step: int = 0
    step_at: datetime | None = None
    shadow_snapshot: str = ""
    pinned: bool = False

    @property
    def traffic(self) -> float:
        """The share of units that is in now."""
        ramp = self.experiment.funnel.ramp
        if not ramp:
            return self.experiment.funnel.traffic
        return ramp[min(self.step, len(ramp) - 1)].traffic if self.step > ROLLED_BACK else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what, when and why; status, revision and epoch are those after it.

    `fields` names what of the definition changed, where a ramp is, or the variant that a unit is forced to have.
    """

    experiment_id: str
    changed_at: datetime
    actor: str
    action: str
    reason: str
    status: Status
    revision: int
    epoch: int
    fields: tuple[str, ...] = ()
