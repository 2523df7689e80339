"""How a store's log was collected, as far as the definitions that its rows name declare it."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.logs.metrics import SHARES
from analysis.ope.logged import Collection
from analysis.sequential import asymptotic
from analysis.texts import Text
from engine.experiments import Experiment
from engine.randomness import ONE
from engine.rewards import reward_of
from engine.specs import FixedSpec, LearningSpec

_ROUNDING = 2 / ONE
"""Quantising takes less than one unit from a probability, and holding shares less than one more."""


def collection(
    experiment: Experiment,
    revisions: Iterable[Experiment],
    *,
    value_range: tuple[float, float] | None,
    is_share: bool,
    estimand: Text,
) -> Collection:
    """Return how draws of some revisions were collected; `experiment` is the current definition, with the plan."""
    those = list(revisions)
    promised = [floor for floor in map(least, those) if floor is not None]
    return Collection(
        is_adaptive=any(each.policy.learns for each in those),
        value_range=value_range,
        least=min(promised, default=None) if len(promised) == len(those) else None,
        n_planned=asymptotic.tightest(experiment.plan),
        is_share=is_share,
        estimand=estimand,
        n_slots=max(each.slots for each in those) if those else experiment.slots,
    )


def least(experiment: Experiment) -> float | None:
    """Return the least probability that a definition gives any eligible variant, None where it promises none.

    Over fewer eligible variants each has more. Candidates are as many as a request brings, so nothing is promised.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> from engine.specs import ThompsonSpec
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), policy=ThompsonSpec(floor=0.02))
    >>> round(least(hero) or 0, 6)
    0.01
    """
    if experiment.candidates is not None:
        return None
    promised = _promised(experiment) - _ROUNDING
    return promised if promised > 0 else None


def _promised(experiment: Experiment) -> float:
    spec, k = experiment.policy, len(experiment.variants)
    if isinstance(spec, FixedSpec):
        weights = [spec.weights.get(each.name, 0.0) if spec.weights else 1.0 for each in experiment.variants]
        return min(weights) / sum(weights)
    even = spec.floor / k
    if not isinstance(spec, LearningSpec) or not spec.shares:
        return even
    # The others share what is left in proportion to what they had.
    return min(even * (1 - sum(spec.shares.values())), *spec.shares.values())


def is_zero_or_one(experiment: Experiment) -> bool:
    """Return whether the experiment's reward is never anything but 0 or 1.

    >>> from engine.definition import define
    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric, RewardTerm
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), reward=(RewardTerm("click", 1.0),))
    >>> is_zero_or_one(define(hero))
    True
    """
    if len(experiment.reward) != 1:
        return False
    metric = experiment.metric(experiment.reward[0].metric)
    if metric is None or metric.kind not in SHARES:
        return False
    return {reward_of(experiment, {}), reward_of(experiment, {metric.name: [1.0]})} <= {0.0, 1.0}
