"""Epsilon-greedy: the variant of the best mean, and now and then any one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.experiments import Experiment
from engine.policies.context_free import ContextFreePolicy
from engine.policies.tallies import Tally, Totals
from engine.specs import EpsilonGreedySpec


class EpsilonGreedyPolicy(ContextFreePolicy):
    """Spreads `epsilon` over all eligible variants and the rest over those of the best mean, both evenly.

    As long as there are variants without a reward, those are the best: so each is tried. Source: Sutton and Barto,
    "Reinforcement Learning", 2018, section 2.2.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> a, b = Variant("a"), Variant("b")
    >>> policy = EpsilonGreedyPolicy(Experiment("hero", (a, b), (Metric("click"),), policy=EpsilonGreedySpec()))
    >>> policy.distribution({}, (a, b))
    (0.5, 0.5)
    """

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, EpsilonGreedySpec)
        super().__init__(experiment, blob, Totals(), partial(_greedy, float(spec.epsilon)))

    @classmethod
    def said(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return its own settings."""
        assert isinstance(experiment.policy, EpsilonGreedySpec)
        return (f"epsilon={float(experiment.policy.epsilon)!r}",)


def _greedy(epsilon: float, tallies: Sequence[Tally]) -> tuple[float, ...]:
    """Return the probabilities, shape (k,).

    >>> _greedy(0.2, [(6.0, 10.0), (3.0, 5.0), (0.0, 5.0), (1.0, 20.0)])
    (0.45, 0.45, 0.05, 0.05)
    """
    means = [total / n if n else 2.0 for total, n in tallies]
    best = [mean == max(means) for mean in means]
    return tuple([epsilon / len(best) + (1.0 - epsilon) / sum(best) * is_best for is_best in best])
