"""A Python function as a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question
from analysis.ope.targets.answers import answers
from analysis.texts import Name
from engine.experiments import Variant
from engine.records import Context

Distribution = Callable[[Context, Sequence[Variant]], Sequence[float]]
"""Returns probabilities of eligible variants, in their order: what `engine.policies.Policy.distribution` is."""


@dataclass(frozen=True, slots=True)
class Function:
    """Asks a function about each draw."""

    distribution: Distribution
    name: Name
    since: int | None = None

    def probabilities(self, log: Logged) -> Floats:
        """Return the function's answers, (n, k).

        Raises:
            InvalidRequest: an answer is no distribution over what was eligible: it says of which row.
        """
        return answers(log, self._answer)

    def _answer(self, question: Question) -> Sequence[float]:
        return self.distribution(question.context, question.eligible)


def function(distribution: Distribution, name: Name = "", since: int | None = None) -> Function:
    """Return the policy of a function of the context and the eligible variants, as the `distribution` of any policy is.

    It must give the same answer to the same question, and is asked each only once; what it was trained on must have
    come before `since`, in microseconds. Who has all answers at once takes `given`.

    >>> import numpy as np
    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    >>> function(lambda context, eligible: [0.25, 0.75]).probabilities(log).tolist()
    [[0.25, 0.75]]
    """
    return Function(distribution, name or getattr(distribution, "__qualname__", "function"), since)
