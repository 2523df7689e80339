"""What units were expected to do, by a linear model of what is known before their first draw in a set of experiments.

It need not be right: what it predicts of a unit has nothing to do with what was drawn for that unit, because its fold
was left out of the fit (Chernozhukov et al. 2018, The Econometrics Journal 21(1)). So it takes variance off a
difference, and adds no bias. It is fitted on all units, whatever they drew: an even split is adjusted best by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.attribution.incremental.entering import Entered
from analysis.attribution.incremental.units import Draws, Units
from analysis.mixing import buckets

N_FOLDS = 5
"""Each model is fitted on four units in five."""

PRIOR = 10.0
"""Slopes are shrunk as if so many units more had shown none."""

_SEED = 0x6172_6D6C_6966_7408
_N_TIMES = 5
_MOST = 8
"""So many channels and experiments have a column of their own, those with the most units."""


def known(units: Units, entered: Entered, among: Sequence[Draws]) -> Floats:
    """Return what is known of units before they came in, (u, c).

    That is what they did before, the channels in which they were drawn before, the experiment of the set `among` that
    they came in by, and when.
    """
    ever = np.full(len(entered), np.iinfo(np.int64).min // 4)
    before = units.did.between(entered.unit, ever, entered.since - 1)
    others = [each for each in units.draws if all(each is not one for one in among)]
    return np.column_stack([done(before), _channels(entered, others), _codes(entered.first), _times(entered.since)])


def done(before: Floats) -> Floats:
    """Return conversions and value (r, 2) as columns in which large numbers do not outweigh all others."""
    scale = np.abs(before[:, 1]).mean() if len(before) else 0.0
    return np.column_stack([np.log1p(before[:, 0]), np.arcsinh(before[:, 1] / scale if scale else before[:, 1])])


def expected(columns: Floats, did: Floats, unit: Ints) -> Floats:
    """Return what units were expected to do, (u, 2), from `columns` (u, c) and what they `did` (u, 2).

    >>> rows = np.arange(1000)
    >>> found = expected((rows % 2)[:, None].astype(float), np.stack([rows % 2, 5 - 5 * (rows % 2)], axis=1), rows)
    >>> found[:2].round(1).tolist()
    [[0.0, 5.0], [1.0, 0.0]]
    """
    fold, design = buckets(unit, N_FOLDS, _SEED), standardised(columns)
    sums = [products(design[fold == place], did[fold == place]) for place in range(N_FOLDS)]
    found = np.empty((len(unit), did.shape[1]))
    for place in range(N_FOLDS):
        # The others are summed anew: a difference would keep what rounding leaves of a fold's own large values.
        others = [each for other, each in enumerate(sums) if other != place]
        squares, moved = (np.sum(each, axis=0) for each in zip(*others, strict=True))
        found[fold == place] = design[fold == place] @ solved(squares, moved)
    return found


def standardised(columns: Floats) -> Floats:
    """Return a constant beside the columns that vary, each with a mean of 0 and a spread of 1, (u, 1 + c)."""
    spread = columns.std(axis=0) if len(columns) else np.zeros(columns.shape[1])
    varies = spread > 0
    scaled = (columns[:, varies] - columns[:, varies].mean(axis=0)) / spread[varies] if len(columns) else columns[:, :0]
    return np.column_stack([np.ones(len(columns)), scaled])


def products(design: Floats, did: Floats) -> tuple[Floats, Floats]:
    """Return what a fit needs of some rows: X'X (c, c) and X'y (c, 2)."""
    return design.T @ design, design.T @ did


def solved(squares: Floats, moved: Floats) -> Floats:
    """Return the slopes (c, 2), by ridge; the constant is not shrunk."""
    penalty = np.full(len(squares), PRIOR)
    # Without any row the constant is 0.
    penalty[0] = 0.0 if squares[0, 0] else 1.0
    return np.asarray(np.linalg.solve(squares + np.diag(penalty), moved), np.float64)


def _channels(entered: Entered, others: Sequence[Draws]) -> Floats:
    """Return in how many other experiments of each channel units had been drawn, (u, c)."""
    by_channel: dict[str, list[Draws]] = {}
    for draws in others:
        by_channel.setdefault(draws.brief.channel, []).append(draws)
    largest = sorted(by_channel.values(), key=lambda of: -sum(len(each.unit) for each in of))
    apart = [*largest[:_MOST], [each for of in largest[_MOST:] for each in of]]
    return np.column_stack([sum((_before(entered, each) for each in of), np.zeros(len(entered))) for of in apart])


def _before(entered: Entered, draws: Draws) -> Floats:
    """Return 1 for each unit that had been drawn in an experiment, else 0, (u,)."""
    # Place -1, none, finds the end of time at the end.
    drawn_at = np.append(draws.at, np.iinfo(np.int64).max)[draws.places(entered.unit)]
    return np.asarray(drawn_at < entered.since, np.float64)


def _codes(code: Ints) -> Floats:
    """Return 0 and 1 for each of the commonest codes but one, (u, c)."""
    n = np.bincount(code, minlength=1)
    commonest = np.argsort(-n, kind="stable")[1 : _MOST + 1]
    return np.asarray(code[:, None] == commonest, np.float64)


def _times(at: Ints) -> Floats:
    """Return 0 and 1 for each of several stretches of time but the first, with as many units each, (u, c)."""
    inner = np.sort(at)[(len(at) * np.arange(1, _N_TIMES)) // _N_TIMES] if len(at) else np.zeros(0, np.int64)
    return np.asarray(at[:, None] >= inner, np.float64)
