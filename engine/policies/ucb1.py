"""UCB1: the variant that could be the best one, given how often each was tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from engine.experiments import Experiment
from engine.policies.context_free import ContextFreePolicy
from engine.policies.tallies import Tally, Totals
from engine.specs import Ucb1Spec


class Ucb1Policy(ContextFreePolicy):
    """Gives everything to the variant of the highest upper bound, mean + `width` * sqrt(2 log(n) / n_variant).

    Several of one bound share it evenly; as long as there are variants without a reward, those do. n counts the
    rewards of the eligible variants. Source: Auer, Cesa-Bianchi and Fischer, "Finite-time Analysis of the Multiarmed
    Bandit Problem", 2002, figure 1; with a half-life it is D-UCB (xi = width^2 / 2) and with a window SW-UCB
    (xi = 2 width^2) of Garivier and Moulines, "On Upper-Confidence Bound Policies for Switching Bandit Problems", 2011.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> a, b = Variant("a"), Variant("b")
    >>> policy = Ucb1Policy(Experiment("hero", (a, b), (Metric("click"),), policy=Ucb1Spec()))
    >>> policy.distribution({}, (a, b))
    (0.5, 0.5)
    """

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, Ucb1Spec)
        super().__init__(experiment, blob, Totals(), partial(_optimistic, float(spec.width)))

    @classmethod
    def said(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return its own settings."""
        assert isinstance(experiment.policy, Ucb1Spec)
        return (f"width={float(experiment.policy.width)!r}",)


def _optimistic(width: float, tallies: Sequence[Tally]) -> tuple[float, ...]:
    """Return the probabilities, shape (k,).

    >>> _optimistic(1.0, [(6.0, 10.0), (1.0, 2.0)])  # 0.6 + 0.70 and 0.5 + 1.58
    (0.0, 1.0)
    """
    # Where nearly all has faded there is less than one reward, whose logarithm would be negative.
    doubt = 2.0 * math.log(max(1.0, math.fsum(n for _, n in tallies)))
    bounds = [total / n + width * math.sqrt(doubt / n) if n else math.inf for total, n in tallies]
    best = [bound == max(bounds) for bound in bounds]
    return tuple([is_best / sum(best) for is_best in best])
