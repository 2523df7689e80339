"""How the distribution of an experiment is found: what each policy is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class ThompsonSpec:
    """Draws each variant with its posterior probability of being best (Beta posterior of a reward in [0, 1])."""

    kind: ClassVar[str] = "thompson"
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = True
    asks_for_zeros: ClassVar[bool] = False
    floor: float = 0.02
    control_share: float = 0.0
    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    publish_every: int = 200
    prior: SegmentsSpec | None = None


@dataclass(frozen=True, slots=True)
class ContextualSpec:
    """A contextual bandit: SquareCB on a linear model with context-by-variant interactions."""

    kind: ClassVar[str] = "contextual"
    draw_key: ClassVar[DrawKey] = DrawKey.ASSIGNMENT
    learns: ClassVar[bool] = True
    asks_for_zeros: ClassVar[bool] = False
    floor: float = 0.02
    control_share: float = 0.0
    gamma: float = 10.0
    publish_every: int = 200
    prior: SegmentsSpec | None = None


LearningSpec = ThompsonSpec | ContextualSpec
"""The policies that learn."""

PolicySpec = FixedSpec | SegmentsSpec | LearningSpec
"""How the distribution is found."""

POLICY_SPECS: Mapping[str, type[PolicySpec]] = {
    spec.kind: spec for spec in (FixedSpec, SegmentsSpec, ThompsonSpec, ContextualSpec)
}
"""Policies by the word that names them in a file."""
