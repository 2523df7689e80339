"""Logistic regressions of the reward on the context: one a variant, each shrunk towards that of all variants together.

Newton's method on the penalised likelihood (iteratively reweighted least squares; le Cessie and van Houwelingen 1992,
Applied Statistics 41(1)). Rewards between 0 and 1 are parts of successes; others are scaled from what was seen. The
penalty of a variant's model makes that of all variants count as `PRIOR` rows of it, so that all is finite also where a
column separates the rewards. Without a context they are means, and so they are ridge's.

Fitted on N_KEPT draws at most, evenly spread: a model more exact than that makes no interval narrower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from analysis.adaptive.encoding import Encoding
from analysis.adaptive.ridge import PRIOR
from analysis.arrays import Floats, Ints
from analysis.ope.logged import Logged
from analysis.ope.models.base import Fitted, Memory
from analysis.ope.models.ridge import lines_of
from analysis.ope.models.rows import KeptMemory, Names, Rows, thinned
from analysis.texts import Text, text

_STEPS = 25
_HALVED = 20
_ENOUGH = 1e-10
"""A step that raises the penalised likelihood by less than so much a row is the last one."""


class Logistic:
    """A logistic model of each variant, shrunk towards that of all variants; predictions stay within what was seen."""

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.model.logistic")

    def fit(self, log: Logged) -> Fitted:
        """Return the model of these draws; without a context, or without two different rewards, it is ridge's."""
        part, names = thinned(log), Names()
        return self.fit_rows(names.rows(part), names)

    def memory(self) -> Memory:
        """Return what learns it from draws that come block by block."""
        return KeptMemory(self)

    def inputs(self, log: Logged) -> None:
        """Return no columns: it reads the context as it is."""

    def fit_rows(self, rows: Rows, names: Names) -> Fitted:
        """Return the model of some rows."""
        least, most = rows.reward.min(initial=np.inf), rows.reward.max(initial=-np.inf)
        if not rows.context.n_fields or not least < most:
            return lines_of(rows, names)
        low, high = (0.0, 1.0) if least >= 0 and most <= 1 else (float(least), float(most))
        encoding = Encoding.of(rows.context)
        columns, shares = encoding.columns(rows.context), (rows.reward - low) / (high - low)
        slopes = _slopes(columns, shares, [np.flatnonzero(rows.variant == place) for place in range(names.k)])
        return LogisticFitted(encoding, slopes, names, low, high, (float(least), float(most)))


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFitted:
    """The log odds of each variant's reward, `slopes` (c, k + 1), with those of all variants together as the last.

    A reward of `low` has the share 0 and one of `high` the share 1; predictions stay within `seen`.
    """

    encoding: Encoding
    slopes: Floats
    names: Names
    low: float
    high: float
    seen: tuple[float, float]

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k)."""
        places = np.minimum(self.names.places(log), self.slopes.shape[1] - 1)
        odds = self.encoding.columns(self.names.context(log)) @ self.slopes[:, places]
        return np.clip(self.low + (self.high - self.low) * expit(odds, out=odds), *self.seen)


def _slopes(columns: Floats, shares: Floats, variants: list[Ints]) -> Floats:
    """Return the slopes of each variant, and as the last those of all together, (c, k + 1)."""
    mean = float(shares.mean())
    # What one row says of the log odds where nothing is known: the penalties are counted in rows.
    row = mean * (1 - mean)
    common = newton(columns, shares, np.zeros(len(shares)), row)
    offset = columns @ common
    own = [common + newton(columns[rows], shares[rows], offset[rows], PRIOR * row) for rows in variants]
    return np.column_stack([*own, common])


def newton(columns: Floats, shares: Floats, offset: Floats, penalty: float) -> Floats:
    """Return the slopes (c,) with the largest penalised likelihood of shares (n,) in [0, 1].

    That is sum_i [y_i z_i - log(1 + exp(z_i))] - penalty |b|**2 / 2 with z = offset + X b. It is concave, so a Newton
    step that is halved until it gains reaches the maximum; a penalty above 0 makes it finite.
    """
    penalised = _Penalised(columns, shares, offset, penalty)
    slopes = np.zeros(columns.shape[1])
    reached = penalised.likelihood(slopes)
    for _ in range(_STEPS):
        before = reached
        slopes, reached = penalised.uphill(slopes, reached)
        if reached - before <= _ENOUGH * len(shares):
            break
    return slopes


@dataclass(frozen=True, slots=True)
class _Penalised:
    """The penalised likelihood of shares (n,) by columns (n, c) and an offset (n,)."""

    columns: Floats
    shares: Floats
    offset: Floats
    penalty: float

    def likelihood(self, slopes: Floats) -> float:
        """Return its logarithm at some slopes."""
        odds = self.offset + self.columns @ slopes
        likelihood = float(self.shares @ odds - np.logaddexp(0.0, odds).sum())
        return likelihood - self.penalty / 2 * float(slopes @ slopes)

    def uphill(self, slopes: Floats, reached: float) -> tuple[Floats, float]:
        """Return slopes further up, and the likelihood there; the same ones where no step goes up."""
        step = self._step(slopes)
        for halved in range(_HALVED):
            tried = slopes + step / 2**halved
            if (found := self.likelihood(tried)) > reached:
                return tried, found
        return slopes, reached

    def _step(self, slopes: Floats) -> Floats:
        chance = expit(self.offset + self.columns @ slopes)
        gradient = self.columns.T @ (self.shares - chance) - self.penalty * slopes
        curvature = (self.columns * (chance * (1 - chance))[:, None]).T @ self.columns
        return np.asarray(np.linalg.solve(curvature + self.penalty * np.eye(len(slopes)), gradient), np.float64)
