"""A Python function as a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question
from analysis.ope.targets.answers import answers
from analysis.texts import Name, text
from engine.errors import InvalidRequest, PolicyFailed
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
            InvalidRequest: an answer is no distribution over what was eligible, or there is none: it says of which row.
        """
        return answers(log, self._answer)

    def _answer(self, question: Question) -> Sequence[float]:
        try:
            # It may do with the context what it likes.
            return self.distribution(dict(question.context), question.eligible)
        except Exception as error:
            raise PolicyFailed(f"the policy's function failed with {type(error).__name__}: {error}") from error


def function(distribution: Distribution, name: Name = "", since: int | None = None) -> Function:
    """Return the policy of a function of the context and the eligible variants, as the `distribution` of any policy is.

    It must give the same answer to the same question, and is asked each only once; what it was trained on must have
    come before `since`, in microseconds. Who has all answers at once takes `given`.

    Raises:
        InvalidRequest: it is no function.

    >>> import numpy as np
    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    >>> function(lambda context, eligible: [0.25, 0.75]).probabilities(log).tolist()
    [[0.25, 0.75]]
    """
    if not callable(distribution):
        raise InvalidRequest(f"{distribution!r} is no function: give one of a context and the eligible variants")
    return Function(distribution, name or _name(distribution), since)


def _name(distribution: Distribution) -> Name:
    named = getattr(distribution, "__name__", "")
    return named if named.isidentifier() else text("ope.target.function")
