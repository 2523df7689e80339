"""All eligible variants alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from analysis.arrays import Flags, Floats
from analysis.ope.logged import Logged
from analysis.texts import Text, text


@dataclass(frozen=True, slots=True)
class Uniform:
    """Gives each eligible variant the same probability."""

    since: ClassVar[int | None] = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.target.uniform")

    def probabilities(self, log: Logged) -> Floats:
        """Return the same for each that was eligible, (n, k)."""
        return evenly(log.could_be)


def uniform() -> Uniform:
    """Return the policy that gives each eligible variant the same probability.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.9]))
    >>> uniform().probabilities(log).tolist()
    [[0.5, 0.5]]
    """
    return Uniform()


def evenly(flags: Flags) -> Floats:
    """Return the rows of flags (n, k) as distributions, even over those that are set, of which each row has one.

    >>> evenly(np.array([[True, True, False], [False, False, True]])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    return np.asarray(flags / flags.sum(axis=1, keepdims=True))
