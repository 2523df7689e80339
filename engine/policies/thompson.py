"""Thompson sampling without sampling: each variant gets its posterior probability of being best.

The probabilities are computed, not simulated, because a propensity must be exact and the same on every node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import scipy

from engine.experiments import Experiment
from engine.policies.context_free import ContextFreePolicy
from engine.policies.posteriors import Beta, Gamma, Shape, StudentT, from_narrowest, probability_of_best
from engine.policies.quadrature import Array, Posteriors
from engine.policies.tallies import Moments, Statistic, Successes, Tally, Totals
from engine.specs import Posterior, ThompsonSpec

PRIOR_FREEDOM = 2.0
"""The degrees of freedom of a normal reward's variance before the first reward."""

PRIOR_VARIANCE = 0.25
"""That variance: the largest that rewards in [0, 1] can have, half of them 0 and half 1."""


class ThompsonPolicy(ContextFreePolicy):
    """Draws each variant with its posterior probability of being best.

    beta            A reward r adds r to its variant's alpha and 1 - r to its beta.
    gaussian        Rewards are normal; mean and variance are unknown. The prior is normal-inverse-gamma: a mean of
                    `prior_mean` that counts as `prior_weight` rewards, and a variance as of two rewards, 0 and 1, which
                    is the largest that there can be. So a variant whose first rewards happen to be equal is not taken
                    for certain. The posterior of the mean is Student's t.
    gamma_poisson   Rewards are counts: on the reward's own scale, which begins at 0, a reward adds itself to the shape
                    and 1 to the rate of a gamma. It is right where one event adds 1 there: give a count its cap as its
                    weight.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> policy = ThompsonPolicy(Experiment("hero", variants, (Metric("click"),), policy=ThompsonSpec()))
    >>> policy.distribution({}, variants)
    (0.5, 0.5)
    >>> policy.serialize()
    b'{"a":[1.0,1.0],"b":[1.0,1.0]}'
    """

    library = f"scipy {scipy.__version__}"

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, ThompsonSpec)
        belief = _BELIEFS[spec.posterior](experiment, spec)
        # What the first posterior learned is written as it always was, so that older snapshots stay valid.
        is_sealed = spec.posterior is not Posterior.BETA or bool(spec.half_life or spec.window)
        super().__init__(experiment, blob, belief.statistic, belief.best, is_sealed=is_sealed)

    @classmethod
    def said(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return its own settings."""
        assert isinstance(experiment.policy, ThompsonSpec)
        return _BELIEFS[experiment.policy.posterior](experiment, experiment.policy).said


@dataclass(frozen=True)
class _Belief:
    """What is tallied, of which family the posteriors are, and which ones the tallies make."""

    statistic: Statistic
    family: Callable[[Array], Posteriors]
    shapes: Callable[[Sequence[Tally]], Sequence[Shape]]
    said: tuple[str, ...]

    def best(self, tallies: Sequence[Tally]) -> tuple[float, ...]:
        return probability_of_best(self.shapes(tallies), self.family)


def _beta(_: Experiment, spec: ThompsonSpec) -> _Belief:
    prior = float(spec.prior_alpha), float(spec.prior_beta)
    return _Belief(Successes(prior), Beta, _as_they_are, _two_said(prior))


def _gamma_poisson(experiment: Experiment, spec: ThompsonSpec) -> _Belief:
    prior = float(spec.prior_alpha), float(spec.prior_beta)
    _, most = experiment.reward_scale or (0.0, 1.0)
    said = ("posterior=gamma_poisson", *_two_said(prior), f"most={float(most)!r}")
    return _Belief(Totals(prior, unit=float(most)), Gamma, _as_they_are, said)


def _gaussian(_: Experiment, spec: ThompsonSpec) -> _Belief:
    mean, weight = float(spec.prior_mean), float(spec.prior_weight)
    said = ("posterior=gaussian", f"prior_mean={mean!r}", f"prior_weight={weight!r}")
    start = weight, mean, PRIOR_FREEDOM * PRIOR_VARIANCE
    return _Belief(Moments(start), StudentT, partial(_students, weight), said)


def _students(prior_weight: float, tallies: Sequence[Tally]) -> Sequence[Shape]:
    """Return mean, scale and degrees of freedom of the marginal posterior of each mean.

    With n rewards, kappa = `prior_weight` + n and 2 alpha = PRIOR_FREEDOM + n the scale is sqrt(beta / (alpha kappa)),
    and 2 beta is the tally's sum of squares, because the prior was tallied as rewards are. Source: Murphy, "Conjugate
    Bayesian analysis of the Gaussian distribution", 2007, section 3.
    """
    freedoms = [PRIOR_FREEDOM + (kappa - prior_weight) for kappa, _, _ in tallies]
    return from_narrowest(
        [
            (mean, math.sqrt(squares / freedom / kappa), freedom)
            for (kappa, mean, squares), freedom in zip(tallies, freedoms, strict=True)
        ]
    )


def _as_they_are(tallies: Sequence[Tally]) -> Sequence[Shape]:
    return tallies


def _two_said(prior: tuple[float, float]) -> tuple[str, ...]:
    return f"prior_alpha={prior[0]!r}", f"prior_beta={prior[1]!r}"


_BELIEFS: Mapping[Posterior, Callable[[Experiment, ThompsonSpec], _Belief]] = {
    Posterior.BETA: _beta,
    Posterior.GAUSSIAN: _gaussian,
    Posterior.GAMMA_POISSON: _gamma_poisson,
}
