"""Effects and interactions of factors as contrasts of the combinations of their levels, and tests of several at once.

Combinations are in the order of `itertools.product` over the factors' levels, the first level of each its baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import prod

import numpy as np
from scipy import stats

from analysis.arrays import Floats

_SINGULAR = 1e-12
"""A covariance whose least eigenvalue is below this share of the largest is of no full rank."""


def subsets(n_factors: int) -> list[tuple[int, ...]]:
    """Return whose effects are looked at: single factors, pairs, and of three factors all three.

    >>> subsets(3)
    [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    """
    orders = range(1, min(n_factors, 3 if n_factors == 3 else 2) + 1)
    return [chosen for order in orders for chosen in combinations(range(n_factors), order)]


def changes(n_levels: Sequence[int], chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the levels, other than the first, that the chosen factors can change to together.

    >>> changes([2, 3], (0, 1))
    [(1, 1), (1, 2)]
    """
    return list(product(*(range(1, n_levels[factor]) for factor in chosen)))


def contrast(n_levels: Sequence[int], chosen: tuple[int, ...], levels: tuple[int, ...]) -> Floats:
    """Return the weights (n_combinations,) of what the chosen factors' change to `levels` brings beyond its parts.

    The difference of means for one factor, the difference of such differences for two, and so on; over the levels of
    all other factors it is the even mean.

    >>> contrast([2, 2], (0,), (1,)).tolist(), contrast([2, 2], (0, 1), (1, 1)).tolist()
    ([-0.5, -0.5, 0.5, 0.5], [1.0, -1.0, -1.0, 1.0])
    """
    weights = np.ones(1)
    to = dict(zip(chosen, levels, strict=True))
    for factor, n in enumerate(n_levels):
        own = np.full(n, 1 / n)
        if factor in to:
            own = np.zeros(n)
            own[0], own[to[factor]] = -1.0, 1.0
        weights = np.kron(weights, own)
    return weights


def table(n_levels: Sequence[int], chosen: tuple[int, ...]) -> Floats:
    """Return all contrasts of the chosen factors, (n_changes, n_combinations)."""
    return np.array([contrast(n_levels, chosen, levels) for levels in changes(n_levels, chosen)]).reshape(
        -1, prod(n_levels)
    )


def wald(values: Floats, covariance: Floats, freedom: float) -> float | None:
    """Return the p-value of all `values` (q,) being 0, or None where their `covariance` (q, q) is singular.

    values @ inverse @ values / q is F with q and `freedom` degrees of freedom, chi-square where the latter is infinite.

    >>> round(wald(np.array([1.0, 2.0]), np.eye(2), np.inf), 6), wald(np.ones(2), np.ones((2, 2)), 9.0)
    (0.082085, None)
    """
    of = np.linalg.eigvalsh(covariance)
    if of[0] <= _SINGULAR * of[-1]:
        return None
    q = len(values)
    statistic = float(values @ np.linalg.solve(covariance, values))
    if np.isinf(freedom):
        return float(stats.chi2.sf(statistic, q))
    return float(stats.f.sf(statistic / q, q, freedom))
