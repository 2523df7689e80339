"""The logged policy itself, and the same made sharper or flatter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.texts import Text, plain, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class AsLogged:
    """Gives what was logged."""

    since: ClassVar[int | None] = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.target.logged")

    def probabilities(self, log: Logged) -> Floats:
        """Return the logged distributions, (n, k).

        Raises:
            InvalidRequest: the log has propensities alone.
        """
        return _whole(log)


@dataclass(frozen=True, slots=True)
class Tilted:
    """Gives p ** (1 / temperature) of the logged distribution p, as shares of their sum."""

    temperature: float
    since: ClassVar[int | None] = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.target.tilted", temperature=plain(self.temperature))

    def probabilities(self, log: Logged) -> Floats:
        """Return the tilted distributions, (n, k).

        Raises:
            InvalidRequest: the log has propensities alone.
        """
        p = _whole(log)
        # The largest is 1 before the power is taken, so that not all of them can vanish.
        tilted = (p / p.max(axis=1, keepdims=True)) ** (1 / self.temperature)
        return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))


def logged() -> AsLogged:
    """Return the logged policy itself.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.9]), probabilities=np.array([[0.9, 0.1]]))
    >>> logged().probabilities(log).tolist()
    [[0.9, 0.1]]
    """
    return AsLogged()


def tilted(temperature: float) -> Tilted:
    """Return the logged policy at a temperature: below 1 surer of what it favours, above 1 nearer to an even one.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.9]), probabilities=np.array([[0.9, 0.1]]))
    >>> tilted(0.5).probabilities(log).round(3).tolist()
    [[0.988, 0.012]]

    Raises:
        InvalidRequest: the temperature is not a number above 0.

    >>> p = np.array([[0.8, 0.2]])
    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.8]), probabilities=p)
    >>> tilted(0.5).probabilities(log).round(3).tolist()  # 0.64 and 0.04 of 0.68
    [[0.941, 0.059]]
    """
    if not 0 < temperature < math.inf:
        raise InvalidRequest(f"a temperature must be above 0, and this is {temperature}: take 0.5 or 2, as examples")
    return Tilted(float(temperature))


def _whole(log: Logged) -> Floats:
    found = log.probabilities
    if found is None:
        raise InvalidRequest("the log has the propensities of what was drawn alone: name a policy that needs no others")
    return found
