"""Chance to win and expected loss of each variant, from posteriors with stated priors: shown, never the verdict.

A conversion has a uniform prior, Beta(1, 1). Anything else has a normal likelihood and a prior that weighs as much as
one unit: normal, around the control's value, with the spread of the control's units (a unit-information prior, Kass and
Wasserman 1995), so that it means the same in cents and in euros. Both chances and losses are integrals in one
dimension, of products of the posteriors' distribution functions, and are found by quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy import stats

from analysis.arrays import Floats
from analysis.document import Cell, Grid
from analysis.estimate import LEVEL, Estimate, Scale, not_evaluable
from analysis.lifts import strata
from analysis.lifts.cells import Cells, Shape, Side, side
from analysis.lifts.linear import side_value, spread_of
from analysis.texts import Name, Number, Style, Text, share, text
from engine.metrics import Better

_STEPS = np.linspace(-8.5, 8.5, 35)
"""Where pieces of the integral begin, in normal deviations of each posterior; what lies beyond weighs below 1e-16."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_COLUMNS = ("variant", "value", "best", "beats", "loss")


class Posterior(Protocol):
    """What a variant's value may be, given the data: a frozen distribution of scipy."""

    def cdf(self, x: Floats, /) -> Floats:
        """Return the probability of at most x."""

    def sf(self, x: Floats, /) -> Floats:
        """Return the probability of more than x."""

    def pdf(self, x: Floats, /) -> Floats:
        """Return the density at x."""

    def ppf(self, q: Floats, /) -> Floats:
        """Return the quantile."""

    def isf(self, q: Floats, /) -> Floats:
        """Return the quantile from above."""


def chances(posteriors: Sequence[Posterior], better: Better = Better.HIGHER) -> Floats:
    """Return the probability of each of k independent values to be the best one, (k,).

    >>> chances([stats.norm(0, 1), stats.norm(0, 1), stats.norm(0, 1)]).round(8).tolist()
    [0.33333333, 0.33333333, 0.33333333]
    """
    nodes, weights = _quadrature(posteriors)
    behind = _behind(posteriors, nodes, better)
    density = np.array([posterior.pdf(nodes) for posterior in posteriors])
    return np.asarray((density * _others(behind)) @ weights)


def losses(posteriors: Sequence[Posterior], better: Better = Better.HIGHER) -> Floats:
    """Return how much of the value is lost on average by choosing each of k, where another one is better, (k,).

    That is E[best] - E[value], the integral of F (1 - product of the others' F): nothing cancels.

    >>> losses([stats.norm(0, 1), stats.norm(0, 1)]).round(8).tolist()
    [0.56418958, 0.56418958]
    """
    nodes, weights = _quadrature(posteriors)
    behind = _behind(posteriors, nodes, better)
    return np.asarray((behind * (1 - _others(behind))) @ weights)


def posteriors(cells: Cells, control: int) -> tuple[Posterior | Text, ...]:
    """Return the posterior of each variant's value, or why it has none.

    Several strata are weighted by their units, as in every comparison, and covariates are not used.
    """
    sides = [side(len(cells.moments.n), [place]) for place in range(len(cells.moments.n))]
    shares = _common_shares(cells, sides)
    if shares is None:
        return tuple(strata.empty(cells, of) or text("not_evaluable.no_stratum") for of in sides)
    weights = [np.outer(of, shares) for of in sides]
    reasons = [
        strata.empty(cells, of) or strata.without_value(cells, by) for of, by in zip(sides, weights, strict=True)
    ]
    if cells.shape is not Shape.SHARE and reasons[control] is not None:
        return tuple(reason or text("bayes.no_prior") for reason in reasons)
    return tuple(
        reason or (_beta(cells, by) if cells.shape is Shape.SHARE else _normal(cells, by, weights[control]))
        for reason, by in zip(reasons, weights, strict=True)
    )


def shown(cells: Cells, names: Sequence[Name], control: int, better: Better) -> Grid:
    """Return each variant's value, its chance to be the best and to beat the control, and its expected loss."""
    found = posteriors(cells, control)
    alive = [posterior for posterior in found if not isinstance(posterior, Text)]
    compared = len(alive) > 1
    numbers = iter(zip(chances(alive, better), losses(alive, better), strict=True) if compared else [(None, None)])
    rows: list[tuple[Cell, ...]] = []
    for place, (name, posterior) in enumerate(zip(names, found, strict=True)):
        n = int(cells.moments.n[place].sum())
        if isinstance(posterior, Text):
            rows.append((name, not_evaluable(posterior, cells.estimand, n, scale=cells.scale), None, None, None))
            continue
        best, loss = next(numbers)
        beats = _beats(posterior, found[control], better) if place != control else None
        rows.append((name, _value(cells, posterior, n), _share(best), _share(beats), _loss(loss, cells.scale)))
    columns = tuple(text(f"bayes.{column}") for column in _COLUMNS)
    note = text("bayes.note_share" if cells.shape is Shape.SHARE else "bayes.note_amount")
    return Grid("chance_to_win", text("bayes.title"), columns, tuple(rows), note)


def _quadrature(found: Sequence[Posterior]) -> tuple[Floats, Floats]:
    """Return nodes and weights, (n,), of Gauss and Legendre's rule between quantiles of all posteriors."""
    low, high = _STEPS[_STEPS < 0], _STEPS[_STEPS >= 0]
    ends = [end for one in found for end in (one.ppf(stats.norm.cdf(low)), one.isf(stats.norm.sf(high)))]
    edges = np.unique(np.concatenate(ends))
    half = np.diff(edges) / 2
    nodes = edges[:-1, None] + half[:, None] * (1 + _NODES)
    return nodes.ravel(), (half[:, None] * _WEIGHTS).ravel()


def _behind(found: Sequence[Posterior], nodes: Floats, better: Better) -> Floats:
    """Return the probability of each value to be worse than each node, (k, n)."""
    return np.array([one.cdf(nodes) if better is Better.HIGHER else one.sf(nodes) for one in found])


def _others(behind: Floats) -> Floats:
    """Return the product over all rows but each one's own, (k, n), also where that one is 0."""
    k = len(behind)
    return np.array([np.prod(behind[np.arange(k) != own], axis=0) for own in range(k)])


def _common_shares(cells: Cells, sides: Sequence[Side]) -> Floats | None:
    """Return the weights of the strata that have every variant which has anything, (n_strata,), or None."""
    found = [strata.usable(cells, of) for of in sides if strata.empty(cells, of) is None]
    common = np.all(found, axis=0) if found else np.zeros(cells.n_strata, np.bool_)
    return strata.shares(cells, common) if common.any() else None


def _beta(cells: Cells, weights: Floats) -> Posterior:
    """Several strata count as as many units as their weighted mean is worth."""
    used = weights != 0
    n = 1 / float((weights[used] ** 2 / cells.moments.n[used]).sum())
    converted = n * side_value(cells, weights).value
    return stats.beta(1 + converted, 1 + n - converted)


def _normal(cells: Cells, weights: Floats, base: Floats) -> Posterior:
    found, control, spread = side_value(cells, weights), side_value(cells, base), spread_of(cells)
    precision = 1 / spread.covariance(found, found)
    used = base != 0
    n = 1 / float((base[used] ** 2 / cells.moments.n[used]).sum())
    prior = 1 / (n * spread.covariance(control, control))
    mean = (precision * found.value + prior * control.value) / (precision + prior)
    return stats.norm(mean, 1 / np.sqrt(precision + prior))


def _beats(one: Posterior, control: Posterior | Text, better: Better) -> float | None:
    return None if isinstance(control, Text) else float(chances([one, control], better)[0])


def _value(cells: Cells, posterior: Posterior, n: int) -> Estimate:
    tail = (1 - LEVEL) / 2
    low, middle, high = (float(end) for end in posterior.ppf(np.array([tail, 0.5, 1 - tail])))
    method = text("bayes.beta" if cells.shape is Shape.SHARE else "bayes.normal")
    return Estimate(middle, low, high, n, method, cells.estimand, cells.scale)


def _share(chance: float | None) -> Number | None:
    return None if chance is None else share(min(max(chance, 0.0), 1.0))


def _loss(loss: float | None, scale: Scale) -> Number | None:
    if loss is None:
        return None
    style = {Scale.SHARE: Style.POINTS, Scale.RELATIVE: Style.SHARE}.get(scale, Style.AMOUNT)
    return Number(float(loss), style)
