"""What a team declares: experiments, their variants, metrics and policies, and the rules that they obey."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from engine.errors import InvalidExperiment
from engine.records import Context, DrawKey

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_SUM_TOLERANCE = 1e-9
MAX_VARIANTS = 1000


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

POLICY_SPECS: Mapping[str, type[PolicySpec]] = {
    spec.kind: spec for spec in (FixedSpec, ThompsonSpec, ContextualSpec)
}
"""Policies by the word that names them in a file."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Variants, policy, metrics and reward. Make one with `define`, which fills in what was left out and checks it."""

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


def define(experiment: Experiment) -> Experiment:
    """Return the experiment with everything filled in that was left out.

    Factors generate the variants, the first variant is control, the control is the default, the id is the seed, and a
    policy that learns is rewarded by the first metric unless said otherwise.

    Raises:
        InvalidExperiment: one sentence with every rule that is broken.

    >>> hero = define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),)))
    >>> hero.control, hero.default, hero.seed
    ('plain', 'plain', 'hero')
    """
    variants = experiment.variants or tuple(_combinations(experiment.factors))
    first = variants[0].name if variants else ""
    control = experiment.control or first
    complete = replace(
        experiment,
        variants=variants,
        control=control,
        default=experiment.default or control,
        seed=experiment.seed or experiment.experiment_id,
        reward=experiment.reward or _first_metric(experiment),
    )
    problems = list(_problems(complete))
    if problems:
        raise InvalidExperiment(f"experiment {experiment.experiment_id!r}: " + "; ".join(problems))
    return complete


def _combinations(factors: tuple[Factor, ...]) -> Iterator[Variant]:
    """Yield a variant for every combination of levels, in the order of the factors, the first factor slowest."""
    if not factors:
        return
    for levels in itertools.product(*(factor.levels for factor in factors)):
        by_factor = {factor.name: level for factor, level in zip(factors, levels, strict=True)}
        yield Variant("-".join(levels), json.dumps(by_factor, ensure_ascii=False), levels=by_factor)


def _first_metric(experiment: Experiment) -> tuple[RewardTerm, ...]:
    return (RewardTerm(experiment.metrics[0].name, 1.0),) if experiment.policy.learns and experiment.metrics else ()


def _problems(experiment: Experiment) -> Iterator[str]:
    yield from _naming_problems(experiment)
    yield from _variant_problems(experiment)
    yield from _factor_problems(experiment)
    yield from _context_problems(experiment)
    yield from _metric_problems(experiment)
    yield from _reward_problems(experiment)
    yield from _policy_problems(experiment)


def _naming_problems(experiment: Experiment) -> Iterator[str]:
    if not _ID.fullmatch(experiment.experiment_id):
        yield "its id must be 1 to 100 small letters, digits, '.', '_' or '-', and begin with a letter or digit"
    if not experiment.unit:
        yield "`unit` must name what is randomised, such as customer"
    if experiment.grace < timedelta(0):
        yield "`grace` must not be negative"
    yield from _bad_names("variant", (variant.name for variant in experiment.variants))
    yield from _bad_names("factor", (factor.name for factor in experiment.factors))
    yield from _bad_names("context field", (declared.name for declared in experiment.context))
    yield from _bad_names("metric", (metric.name for metric in experiment.metrics))


def _bad_names(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what} {name!r} is there {count} times: names must differ"
        if not name.strip() or len(name) > 200 or not name.isprintable():
            yield f"{what} {name!r} must have a name of 1 to 200 printable characters"


def _variant_problems(experiment: Experiment) -> Iterator[str]:
    names = [variant.name for variant in experiment.variants]
    if not 2 <= len(names) <= MAX_VARIANTS and not experiment.factors:
        yield f"it needs 2 to {MAX_VARIANTS} variants and has {len(names)}"
    for role, name in (("control", experiment.control), ("default", experiment.default)):
        if names and name not in names:
            yield f"`{role}` names {name!r}, which is no variant (there are {', '.join(names)})"
    for variant in experiment.variants:
        if not _is_json(variant.payload):
            yield f"the payload of variant {variant.name!r} must be JSON"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _factor_problems(experiment: Experiment) -> Iterator[str]:
    for factor in experiment.factors:
        if len(factor.levels) < 2:
            yield f"factor {factor.name!r} needs at least two levels and has {len(factor.levels)}"
        yield from _bad_names(f"level of factor {factor.name!r}", factor.levels)
    generated = tuple(_combinations(experiment.factors))
    if experiment.factors and [v.levels for v in generated] != [v.levels for v in experiment.variants]:
        yield "give either `variants` or `factors`: factors generate every variant"


def _context_problems(experiment: Experiment) -> Iterator[str]:
    flags = [declared.name for declared in experiment.context if declared.type is FieldType.FLAG]
    if experiment.requires_consent and experiment.requires_consent not in flags:
        yield f"`requires_consent` names {experiment.requires_consent!r}, which must be declared in `context` as a flag"


def _metric_problems(experiment: Experiment) -> Iterator[str]:
    if not experiment.metrics:
        yield "it needs at least one metric"
    for metric in experiment.metrics:
        if metric.window <= timedelta(0):
            yield f"the window of metric {metric.name!r} must be longer than nothing"
        if metric.cap is not None and not 0 < metric.cap < math.inf:
            yield f"the cap of metric {metric.name!r} must be a positive number"
        if metric.cap is not None and metric.kind is MetricKind.CONVERSION:
            yield f"metric {metric.name!r} is a conversion, which has no cap"


def _reward_problems(experiment: Experiment) -> Iterator[str]:
    for term in experiment.reward:
        metric = experiment.metric(term.metric)
        if metric is None:
            yield f"the reward names {term.metric!r}, which is no metric of it"
        elif metric.kind is MetricKind.REVENUE and metric.cap is None:
            yield f"metric {term.metric!r} is a reward, so it needs a `cap` that scales it to [0, 1]"
        if not 0 < term.weight <= 1:
            yield f"the reward's weight of {term.metric!r} is {term.weight:g} and must be in (0, 1]"
    total = sum(term.weight for term in experiment.reward)
    if total > 1 + _SUM_TOLERANCE:
        yield f"the reward's weights sum to {total:g}, and 1 is the most"
    yield from _bad_names("reward of metric", (term.metric for term in experiment.reward))


def _policy_problems(experiment: Experiment) -> Iterator[str]:
    policy = experiment.policy
    if isinstance(policy, FixedSpec):
        yield from _weight_problems(experiment, policy.weights)
        return
    if not 0 < policy.floor <= 1:
        yield f"the floor is {policy.floor:g} and must be in (0, 1]: the total that all variants share"
    if not 0 <= policy.control_share < 1:
        yield f"the control share is {policy.control_share:g} and must be in [0, 1)"
    if policy.publish_every < 1:
        yield "`publish_every` must be at least 1"
    if isinstance(policy, ThompsonSpec) and not 1 <= min(policy.prior_alpha, policy.prior_beta) < math.inf:
        yield "the prior's alpha and beta must be at least 1"
    if isinstance(policy, ContextualSpec) and not 0 < policy.gamma < math.inf:
        yield "gamma must be a positive number"


def _weight_problems(experiment: Experiment, weights: Mapping[str, float]) -> Iterator[str]:
    if not weights:
        return
    names = [variant.name for variant in experiment.variants]
    for name in weights.keys() - set(names):
        yield f"a weight names {name!r}, which is no variant"
    for name in names:
        if not 0 < weights.get(name, 0) <= 1:
            yield f"variant {name!r} needs a weight in (0, 1]: leave the variant out if nobody is to get it"
    total = math.fsum(weights.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        yield f"the weights sum to {total:g} and must sum to 1"
