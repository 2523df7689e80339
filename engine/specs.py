"""How the distribution of an experiment is found: what each policy is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import ClassVar

from engine.funnel import Condition
from engine.records import DrawKey


@dataclass(frozen=True, slots=True)
class FixedSpec:
    """A test: always the same distribution. Empty `weights` means equal ones."""

    kind: ClassVar[str] = "fixed"
    draw_key: ClassVar[DrawKey] = DrawKey.UNIT
    learns: ClassVar[bool] = False
    asks_for_zeros: ClassVar[bool] = False
    floor: ClassVar[float] = 0.0
    control_share: ClassVar[float] = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """Weights by variant for those whom the condition holds for; a variant that is left out has no chance there."""

    when: Condition
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SegmentsSpec:
    """The weights of the first rule whose condition holds, else those `otherwise`; empty weights mean equal ones.

    Conditions read declared fields of the context alone.
    """

    kind: ClassVar[str] = "segments"
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = False
    asks_for_zeros: ClassVar[bool] = True
    control_share: ClassVar[float] = 0.0
    rules: tuple[Rule, ...] = ()
    otherwise: Mapping[str, float] = field(default_factory=dict)
    floor: float = 0.0


class Posterior(Enum):
    """What Thompson sampling takes the rewards of a variant for."""

    BETA = "beta"
    """Rewards in [0, 1] as parts of successes: a Beta posterior of their mean."""
    GAUSSIAN = "gaussian"
    """Normal rewards of unknown mean and variance: Student's t for the mean."""
    GAMMA_POISSON = "gamma_poisson"
    """Counts on the reward's own scale: a gamma posterior of their rate."""


class Explorer(Enum):
    """How a contextual policy turns predicted rewards into a distribution."""

    SQUARECB = "squarecb"
    EPSILON = "epsilon"
    EPSILON_DECAY = "epsilon_decay"
    SOFTMAX = "softmax"
    BAG = "bag"
    FIRST = "first"
    RND = "rnd"
    """In Vowpal Wabbit 9.9.0 not even while untaught, and several times as slow as squarecb."""
    COVER = "cover"
    """Vowpal Wabbit 9.9.0 has its test of when to predict inverted, and it explores on where it should have settled."""
    REGCB = "regcb"
    """In Vowpal Wabbit 9.9.0 it gives up variants wholly: the floor alone still tries them."""


class LearnerType(Enum):
    """How a contextual policy learns rewards of variants that were not drawn."""

    IPS = "ips"
    """Inverse propensity scores."""
    DR = "dr"
    """Doubly robust."""
    MTR = "mtr"
    """One regression of all variants, weighted by the inverse propensity."""
    DM = "dm"
    """Direct: one regression of the rewards as they were observed."""


@dataclass(frozen=True, slots=True)
class LearningSpec:
    """What every policy that learns is configured with.

    `shares` holds variants at a share of their own, whatever is learned. A snapshot is due after `publish_every`
    rewards, and not sooner than `publish_after` of the log's time after the one before.
    """

    kind: ClassVar[str]
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = True
    asks_for_zeros: ClassVar[bool] = False
    floor: float = 0.02
    control_share: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    publish_every: int = 200
    publish_after: timedelta = timedelta(seconds=10)
    prior: SegmentsSpec | None = None


@dataclass(frozen=True, slots=True)
class ContextFreeSpec(LearningSpec):
    """What every policy that learns averages is configured with.

    In a world that drifts a reward's weight halves every `half_life`, or it is forgotten after `window`, both in the
    log's time; one of the two or none.
    """

    half_life: timedelta | None = None
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ThompsonSpec(ContextFreeSpec):
    """Draws each variant with its posterior probability of being best.

    The prior is Beta(`prior_alpha`, `prior_beta`), or a gamma of that shape and rate, or for normal rewards a mean of
    `prior_mean` that counts as `prior_weight` observations.
    """

    kind: ClassVar[str] = "thompson"
    posterior: Posterior = Posterior.BETA
    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    prior_mean: float = 0.5
    prior_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EpsilonGreedySpec(ContextFreeSpec):
    """Draws the variant of the best mean, and with probability `epsilon` any one."""

    kind: ClassVar[str] = "epsilon_greedy"
    epsilon: float = 0.1


@dataclass(frozen=True, slots=True)
class Ucb1Spec(ContextFreeSpec):
    """Draws the variant of the highest upper bound, which is `width` times as far from the mean as UCB1's."""

    kind: ClassVar[str] = "ucb1"
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class SoftmaxSpec(ContextFreeSpec):
    """Draws variants in proportion to exp(mean / `temperature`)."""

    kind: ClassVar[str] = "softmax"
    temperature: float = 0.1


@dataclass(frozen=True, slots=True)
class ContextualSpec(LearningSpec):
    """A contextual bandit on Vowpal Wabbit, with every pair of context and variant feature.

    `gamma` is SquareCB's, `epsilon` that of the explorers named so, `temperature` softmax's; bag, cover and rnd have
    `n_models`, and `first` explores for `n_first` rewards. `interactions` are further products of features, such as
    ("context", "context", "variant").
    """

    kind: ClassVar[str] = "contextual"
    explorer: Explorer = Explorer.SQUARECB
    learner: LearnerType = LearnerType.DM
    gamma: float = 30.0
    epsilon: float = 0.05
    temperature: float = 0.1
    n_models: int = 5
    n_first: int = 1000
    learning_rate: float = 0.5
    interactions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LinearSpec(LearningSpec):
    """Draws each variant with its posterior probability of being best in the context, by a linear model of each.

    The coefficients' prior is normal around nothing and counts as `prior_weight` observations; `width` is the standard
    deviation that a reward is taken to have around the model.
    """

    kind: ClassVar[str] = "linear"
    width: float = 0.1
    prior_weight: float = 1.0


PolicySpec = (
    FixedSpec | SegmentsSpec | ThompsonSpec | EpsilonGreedySpec | Ucb1Spec | SoftmaxSpec | LinearSpec | ContextualSpec
)
"""How the distribution is found."""

POLICY_SPECS: Mapping[str, type[PolicySpec]] = {
    spec.kind: spec
    for spec in (
        FixedSpec,
        SegmentsSpec,
        ThompsonSpec,
        EpsilonGreedySpec,
        Ucb1Spec,
        SoftmaxSpec,
        LinearSpec,
        ContextualSpec,
    )
}
"""Policies by the word that names them in a file."""
