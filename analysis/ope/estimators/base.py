"""What an estimator is: means of a few terms of each draw, and a smooth function of those means.

Means can be added up block by block and log by log, and their covariance gives the standard error of every estimator
alike (the delta method): with z_i the terms of draw i and g the function, sqrt(g'(z)' Cov(z_i) g'(z) / n).

A term is a function of its own, so that what several estimators need is computed and gathered once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, Self

import numpy as np

from analysis.arrays import Floats
from analysis.ope.weighed import Weighed
from analysis.texts import Text, plain, text

Term = Callable[[Weighed], Floats]
"""A number of each draw, (n,)."""


class Estimator(Protocol):
    """A rule that makes one number of a log."""

    @property
    def name(self) -> str:
        """Its key among the texts: `ope.estimator.NAME`."""

    @property
    def is_biased(self) -> bool:
        """Whether it is biased by more than a share of 1 / n, so that no interval of it holds its level."""

    @property
    def is_modelled(self) -> bool:
        """Whether it needs predictions."""

    @property
    def columns(self) -> tuple[Term, ...]:
        """The m terms whose means it is made of."""

    @property
    def method(self) -> Text:
        """What it is called, with its settings."""

    def terms(self, part: Weighed) -> Sequence[Floats]:
        """Return the m terms of each draw, (n,) each."""

    def value(self, mean: Floats) -> float:
        """Return the estimate from the means of the terms, (m,); NaN where there is none."""

    def gradient(self, mean: Floats) -> Floats:
        """Return by how much the estimate moves with each mean, (m,); NaN where there is none."""

    def told(self, n: int, largest: float) -> Self:
        """Return the estimator that knows what the end of a log knows: its draws, and the largest possible weight."""


class Base(ABC):
    """What estimators have in common."""

    name: str
    is_biased = False
    is_modelled = False

    @property
    @abstractmethod
    def columns(self) -> tuple[Term, ...]:
        """The m terms."""

    @property
    def method(self) -> Text:
        """What it is called."""
        return text(f"ope.estimator.{self.name}")

    def terms(self, part: Weighed) -> list[Floats]:
        """Return the m terms of each draw, (n,) each."""
        return [column(part) for column in self.columns]

    def told(self, n: int, largest: float) -> Self:  # noqa: ARG002 (most need neither)
        """Return the same."""
        return self


class Mean(Base):
    """An estimator that is the mean of one term."""

    def value(self, mean: Floats) -> float:
        """Return the mean."""
        return float(mean[0])

    def gradient(self, mean: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(mean)


class Shrunk(Mean):
    """A mean in which large weights count less than they should, by a `level`: narrower, and biased."""

    level: float
    is_biased = True

    @property
    def columns(self) -> tuple[Term]:
        """One term, by the level."""
        return (self.term,)

    @property
    def method(self) -> Text:
        """What it is called, with its level."""
        return text(f"ope.estimator.{self.name}", level=plain(self.level))

    @abstractmethod
    def term(self, part: Weighed) -> Floats:
        """Return the term of each draw, (n,)."""


def weight(part: Weighed) -> Floats:
    """Return w, (n,)."""
    return part.weight


def reward(part: Weighed) -> Floats:
    """Return r, (n,)."""
    return part.reward


def gain(part: Weighed) -> Floats:
    """Return w r, (n,)."""
    return part.weight * part.reward


def expected(part: Weighed) -> Floats:
    """Return sum_a pi(a) q(a), (n,)."""
    return part.expected


def score(part: Weighed) -> Floats:
    """Return the doubly robust score, (n,)."""
    return part.score


def correction(part: Weighed) -> Floats:
    """Return by how much a draw corrects the model, w (r - q(a)), (n,): also of a slate, whose slots add up theirs."""
    return part.score - part.expected


def ratio(above: float, below: float) -> float:
    """Return a quotient, NaN where there is nothing below the line.

    >>> ratio(1.0, 2.0), ratio(1.0, 0.0)
    (0.5, nan)
    """
    return above / below if below else float("nan")
