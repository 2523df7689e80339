"""Ratio checks: do the counts fit the propensities that were logged when they were drawn?

Each draw t has a distribution p_t that was fixed before it, so a variant's expected count is sum_t p_t(a), also while
a bandit moves it, and the covariance of the counts is sum_t (diag(p_t) - p_t p_t'). Both are sums over the log alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis import adaptive, wording
from analysis.arrays import Flags, Floats, Ints, first_of
from analysis.document import Check, Share
from analysis.frames import Assignments, Frame
from engine.randomness import ONE

ALARM = 0.001
"""A ratio check that holds alarms in at most this share of reports."""

_ROUNDING = 1e-9
_MIN_EXPECTED = 5.0
"""Variants that are expected more rarely are checked together, or the chi-square is no chi-square."""


def variants(frame: Frame, chosen: Flags, what: str) -> Check:
    """Return the check of the chosen draws' variants; of draws by unit only the first of a unit and distribution.

    A draw of which the log has not the whole distribution, as an import can be, tells nothing here.
    """
    rows = frame.assignments
    is_whole = np.abs(rows.patterns.sum(axis=1) - 1) < _ROUNDING
    index = _independent(rows, chosen & ~rows.is_control_group & (rows.pattern >= 0) & is_whole[rows.pattern])
    observed = np.bincount(rows.variant[index], minlength=len(frame.variants))
    n_draws = np.bincount(rows.pattern[index], minlength=len(rows.patterns))
    return check(f"Variants of the {what}", frame.variants, observed, rows.patterns, n_draws)


def groups(frame: Frame) -> Check:
    """Return the check of units in the control's share, each once for each size of the share."""
    rows = frame.assignments
    control = np.where(rows.is_control_group, rows.group_weight, ONE - rows.group_weight)
    index = np.flatnonzero(control > 0)
    index = index[first_of(rows.unit_key[index], control[index])]
    shares, pattern = np.unique(control[index], return_inverse=True)
    in_control = int(rows.is_control_group[index].sum())
    patterns = np.stack([shares / ONE, 1 - shares / ONE], axis=1).reshape(-1, 2)
    observed = np.array([in_control, len(index) - in_control])
    return check("Groups", adaptive.GROUPS, observed, patterns, np.bincount(pattern, minlength=len(shares)))


def check(title: str, names: Sequence[str], observed: Ints, patterns: Floats, n_draws: Ints) -> Check:
    """Return the verdict on `observed` counts (k,), of which `n_draws` (d,) were drawn from each of `patterns` (d, k).

    >>> fits = check("Variants", ("a", "b"), np.array([480, 520]), np.array([[.5, .5]]), np.array([1000]))
    >>> fits.holds, round(fits.p_value, 4)
    (True, 0.2059)
    """
    expected = n_draws @ patterns
    covariance = np.diag(expected) - (patterns * n_draws[:, None]).T @ patterns
    shares = tuple(
        Share(name, int(seen), float(due)) for name, seen, due in zip(names, observed, expected, strict=True)
    )
    merge = _merging(expected)
    if len(merge) < 2:
        return Check(title, None, "Too few draws to check.", None, "none", shares)
    p_value, freedom = _chi_square(merge @ (observed - expected), merge @ covariance @ merge.T)
    if freedom == 0:
        return Check(title, None, "Nothing was left to chance, so there is nothing to check.", None, "none", shares)
    method = f"chi-square ({freedom}) against the logged propensities, alarm below {ALARM:g}"
    return Check(title, p_value >= ALARM, _sentence(p_value), p_value, method, shares)


def _independent(rows: Assignments, chosen: Flags) -> Ints:
    """Return the indices of draws that are independent given the past: repeats of a draw by unit are not."""
    by_unit = np.flatnonzero(chosen & rows.by_unit)
    first = by_unit[first_of(rows.unit_key[by_unit], rows.pattern[by_unit])]
    return np.concatenate([first, np.flatnonzero(chosen & ~rows.by_unit)])


def _merging(expected: Floats) -> Floats:
    """Return 0/1 rows that keep variants which are expected often enough, and merge the others, (m, k)."""
    is_rare = expected < _MIN_EXPECTED
    kept: Floats = np.eye(len(expected))[~is_rare]
    merged = is_rare.astype(np.float64)
    return np.vstack([kept, merged]) if merged @ expected >= _MIN_EXPECTED else kept


def _chi_square(deviation: Floats, covariance: Floats) -> tuple[float, int]:
    """Return the p-value of a deviation under a covariance that may be singular, and its rank."""
    values, vectors = np.linalg.eigh(covariance)
    is_free = values > 1e-9 * max(float(values.max()), 1.0)
    statistic = float(((vectors.T @ deviation)[is_free] ** 2 / values[is_free]).sum())
    freedom = int(is_free.sum())
    return (float(stats.chi2.sf(statistic, freedom)) if freedom else 1.0), freedom


def _sentence(p_value: float) -> str:
    if p_value >= ALARM:
        return f"The counts fit the logged propensities ({wording.probability(p_value)})."
    return (
        f"The counts do not fit the logged propensities ({wording.probability(p_value)}): "
        "rows are lost or added somewhere. Find out where before trusting any lift."
    )
