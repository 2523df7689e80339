"""Values of sides that are adjusted for covariates, from moments alone, so that streamed data have them too.

A side's value less what its units' covariates, as they happen to differ from those of everybody compared, explain:
sum over cells of weight * (mean - slopes @ (mean of covariates - that of the stratum)). Slopes are taken within
strata. A ratio is made linear first (delta method), and that is what the covariates explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.linear import CellSpread, Linear, side_value
from analysis.lifts.moments import Moments

_SINGULAR = 1e-10
"""An eigenvalue of the covariates' correlations below this share of the largest is 0."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Adjusted values of sides, how they vary, and how many covariates say something that the others do not."""

    sides: tuple[Linear, ...]
    spread: CellSpread
    rank: int


@dataclass(frozen=True, slots=True)
class _Slopes:
    """`slopes` (v, c) of each variant's values in the covariates, and what guessing them costs.

    `inverse` (v, c, c) is the inverse of the covariates' products, `rank` (v,) their rank; of guesses that cost
    nothing they are 0.
    """

    slopes: Floats
    inverse: Floats
    rank: Ints


def lin(cells: Cells, weights: Sequence[Floats]) -> Adjusted:
    """Return sides, `weights` (v, s) each, adjusted with slopes of each variant's own (Lin 2013).

    It is the regression on variants, centred covariates and their products; CUPED with slopes by variant is the same
    estimate. The variance is that of each variant's own regression (its residuals by their freedom, its leverage),
    and of the covariates' mean, so that it holds for units to come and not for these alone (Negi and Wooldridge
    2021); as HC2's it takes no two variants to vary alike.
    """
    used = _used(weights)
    within = _within(cells.moments, used)
    inverse, rank = _inverses(within, _n_values(cells))
    found = [_own(cells, one, within, inverse, rank) for one in weights]
    n = np.where(used, cells.moments.n, 0).sum(axis=1)
    left = np.maximum(n - used.sum(axis=1), 1)
    known = (cells.moments.n - 1) * ((left - rank) / left)[:, None]
    spread = CellSpread(CellSpread.of(cells.moments).of_means, known)
    sides = [_adjusted(cells, one, slopes, used) for one, slopes in zip(weights, found, strict=True)]
    return Adjusted(tuple(sides), spread, int(_rank(cells, used)))


def cuped(cells: Cells, weights: Sequence[Floats]) -> Adjusted:
    """Return sides, `weights` (v, s) each, adjusted with the same slopes (Deng, Xu, Kohavi and Walker 2013).

    The slopes are those of all compared units together, and their variance is taken as nothing.
    """
    used = _used(weights)
    moments, n_variants = cells.moments, len(cells.moments.n)
    pooled = _pooled(moments, used)
    of_stratum = np.where(used, moments.n, 0).sum(axis=0)
    whole = Cells(pooled, cells.shape, cells.estimand, cells.scale)
    gradient = _gradient(whole, (of_stratum / of_stratum.sum())[None, :])
    products, k = pooled.m2[0].sum(axis=0)[None], _n_values(cells)
    inverse, rank = _inverses(products, k)
    slopes = np.repeat(_explained(products, inverse, gradient), n_variants, axis=0)
    guesses = _Slopes(slopes, np.zeros((n_variants, *inverse.shape[1:])), np.zeros(n_variants, np.int64))
    sides = tuple(_adjusted(cells, one, guesses, used) for one in weights)
    return Adjusted(sides, CellSpread.of(moments), int(rank[0]))


def _n_values(cells: Cells) -> int:
    return 2 if cells.shape is Shape.RATIO else 1


def _used(weights: Sequence[Floats]) -> Floats:
    """Which cells any side has a weight in, (v, s)."""
    return np.asarray(np.any([one != 0 for one in weights], axis=0))


def _within(moments: Moments, used: Floats) -> Floats:
    """Return the products of deviations within strata by variant, (v, k, k)."""
    return np.asarray(np.where(used[..., None, None], moments.m2, 0.0).sum(axis=1))


def _pooled(moments: Moments, used: Floats) -> Moments:
    """Return the moments of all variants' used cells together, by stratum: (1, s, ...)."""
    whole = Moments(np.zeros_like(moments.n[:1]), np.zeros_like(moments.mean[:1]), np.zeros_like(moments.m2[:1]))
    for row in range(len(moments.n)):
        mask = used[row : row + 1]
        whole = whole + Moments(
            np.where(mask, moments.n[row : row + 1], 0),
            moments.mean[row : row + 1],
            np.where(mask[..., None, None], moments.m2[row : row + 1], 0.0),
        )
    return whole


def _inverses(products: Floats, n_values: int) -> tuple[Floats, Ints]:
    """Return the (pseudo-)inverses of the covariates' products, (v, c, c), and their ranks, (v,)."""
    of_covariates = products[:, n_values:, n_values:]
    size = np.sqrt(np.diagonal(of_covariates, axis1=-2, axis2=-1))
    unit = np.where(size > 0, size, 1.0)
    outer = unit[:, :, None] * unit[:, None, :]
    correlation = of_covariates / outer
    inverse = np.linalg.pinv(correlation, rcond=_SINGULAR, hermitian=True) / outer
    return inverse, np.linalg.matrix_rank(correlation, rtol=_SINGULAR, hermitian=True)


def _rank(cells: Cells, used: Floats) -> int:
    together = _within(cells.moments, used).sum(axis=0)[None]
    return int(_inverses(together, _n_values(cells))[1][0])


def _explained(products: Floats, inverse: Floats, gradient: Floats) -> Floats:
    """Return the slopes by least squares, (v, c), of the values made linear by their `gradient`, (n_values,)."""
    n_values = len(gradient)
    return np.asarray(np.einsum("vcd,vdj,j->vc", inverse, products[:, n_values:, :n_values], gradient))


def _gradient(cells: Cells, weights: Floats) -> Floats:
    """Return how a side's value moves with the means of its value columns, (n_values,)."""
    moved = side_value(cells, weights).weights[..., : _n_values(cells)]
    return np.asarray(moved.sum(axis=(0, 1)) / weights.sum())


def _own(cells: Cells, weights: Floats, within: Floats, inverse: Floats, rank: Ints) -> _Slopes:
    return _Slopes(_explained(within, inverse, _gradient(cells, weights)), inverse, rank)


def _adjusted(cells: Cells, weights: Floats, guesses: _Slopes, used: Floats) -> Linear:
    """Return the adjusted value of a side, with its slack for slopes that were guessed."""
    moments, k, slopes = cells.moments, _n_values(cells), guesses.slopes
    n = np.where(used, moments.n, 0)
    share = n / np.maximum(n.sum(axis=0), 1)
    covariates = moments.mean[..., k:]
    centre = np.einsum("vs,vsc->sc", share, covariates)
    off = weights[..., None] * (covariates - centre)
    plain = side_value(cells, weights)
    own = plain.weights.copy()
    own[..., k:] = -weights[..., None] * slopes[:, None, :]
    found = own.copy()
    found[..., k:] += share[..., None] * np.einsum("vs,vc->sc", weights, slopes)
    cost = _cost(moments.n, weights, off.sum(axis=1), guesses, used)
    value = plain.value - float(np.einsum("vsc,vc->", off, slopes))
    return Linear(value, found, own * np.sqrt(cost)[:, None, None])


def _cost(n: Ints, weights: Floats, off: Floats, guesses: _Slopes, used: Floats) -> Floats:
    """Return by what share guessing the slopes adds to each variant's variance, (v,).

    By freedom, (n - 1) / (n - 1 - c), and by leverage, as a regression has it for a mean of covariates that is `off`.
    """
    left = np.maximum(np.where(used, n, 0).sum(axis=1) - used.sum(axis=1), 1)
    freedom = left / np.maximum(left - guesses.rank, 1)
    of_mean = (weights**2 / np.maximum(n, 1)).sum(axis=1)
    leverage = np.einsum("vc,vcd,vd->v", off, guesses.inverse, off)
    return np.asarray(freedom * (1 + leverage / np.where(of_mean > 0, of_mean, 1.0)) - 1)
