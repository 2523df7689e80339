"""Softmax: the better a variant's mean, the likelier it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from engine.experiments import Experiment
from engine.policies.context_free import ContextFreePolicy
from engine.policies.tallies import Tally, Totals
from engine.specs import SoftmaxSpec


class SoftmaxPolicy(ContextFreePolicy):
    """Draws variants in proportion to exp(mean / `temperature`), Boltzmann's distribution.

    A variant without a reward counts as good as the best. Source: Sutton and Barto, "Reinforcement Learning", 1998,
    section 2.3.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> a, b = Variant("a"), Variant("b")
    >>> policy = SoftmaxPolicy(Experiment("hero", (a, b), (Metric("click"),), policy=SoftmaxSpec()))
    >>> policy.distribution({}, (a, b))
    (0.5, 0.5)
    """

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, SoftmaxSpec)
        super().__init__(experiment, blob, Totals(), partial(_boltzmann, float(spec.temperature)))

    @classmethod
    def said(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return its own settings."""
        assert isinstance(experiment.policy, SoftmaxSpec)
        return (f"temperature={float(experiment.policy.temperature)!r}",)


def _boltzmann(temperature: float, tallies: Sequence[Tally]) -> tuple[float, ...]:
    """Return the probabilities, shape (k,); measured from the best mean no exponential overflows.

    >>> [round(p, 6) for p in _boltzmann(1.0, [(math.log(2.0), 1.0), (0.0, 1.0)])]  # exp(log 2) to exp(0)
    [0.666667, 0.333333]
    """
    best = max((total / n for total, n in tallies if n), default=0.0)
    powers = [math.exp((total / n - best) / temperature) if n else 1.0 for total, n in tallies]
    whole = math.fsum(powers)
    return tuple([power / whole for power in powers])
