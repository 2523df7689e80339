"""Ratio checks: do the counts fit the propensities that were logged when they were drawn?

The verdict is the sequential test's (`sequential.ratio`), because reports are read at any time. Beside it stands a
chi-square, which is valid at one look that was planned.

Each draw t has a distribution p_t that was fixed before it, so a variant's expected count is sum_t p_t(a), also while
a bandit moves it, and the covariance of the counts is sum_t (diag(p_t) - p_t p_t'). Both are sums over the log alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis import adaptive
from analysis.arrays import Flags, Floats, Ints, first_of
from analysis.document import Check, Share, Timeline
from analysis.logs.frames import Frame
from analysis.sequential import ratio
from analysis.texts import Name, Text, count, plain, probability, text
from engine.randomness import ONE

ALARM = 0.001
"""A chi-square of a log that is whole alarms in at most this share of logs, at one look."""

_ROUNDING = 1e-9
_MIN_EXPECTED = 5.0
"""Variants that are expected more rarely are checked together, or the chi-square is no chi-square."""


def independent(frame: Frame, chosen: Flags) -> Ints:
    """Return those of the chosen draws that can be checked, as indices in the order of seq.

    They are independent given the past: where units are drawn once, only the first answer to each, by which it is
    compared as well, with all its slots: each of those has a number of its own. Later ones may be of another
    distribution and of the same number, as after the killing of a variant. A draw of which the log has not the whole
    distribution, as an import can be, tells nothing.
    """
    rows = frame.assignments
    is_whole = np.abs(rows.patterns.sum(axis=1) - 1) < _ROUNDING
    fitting = chosen & ~rows.is_control_group & (rows.pattern >= 0) & is_whole[rows.pattern]
    by_unit = np.flatnonzero(fitting & rows.by_unit)
    first = by_unit[first_of(rows.unit_key[by_unit], np.zeros(len(by_unit), np.int64))]
    is_first = np.zeros(len(rows), np.bool_)
    is_first[rows.answer[first]] = True
    return np.flatnonzero(fitting & (~rows.by_unit | is_first[rows.answer]))


def variants(frame: Frame, draws: Ints, title: Text) -> Check:
    """Return the check of the variants of some draws, as `independent` finds them."""
    rows = frame.assignments
    return _at_any_look(title, frame.variants, rows.variant[draws], rows.patterns, rows.pattern[draws])


def evidence(frame: Frame, draws: Ints, title: Text) -> Timeline | None:
    """Return the evidence over time behind `variants`, or None where there is nothing to check or one stretch alone."""
    rows = frame.assignments
    return ratio.evidence(title, rows.at[draws], rows.variant[draws], rows.patterns, rows.pattern[draws])


def groups(frame: Frame) -> Check:
    """Return the check of units in the control's share, each once for each size of the share."""
    rows = frame.assignments
    control = np.where(rows.is_control_group, rows.group_weight, ONE - rows.group_weight)
    index = np.flatnonzero(control > 0)
    index = np.sort(index[first_of(rows.unit_key[index], control[index])])
    shares, pattern = np.unique(control[index], return_inverse=True)
    patterns = np.stack([shares / ONE, 1 - shares / ONE], axis=1).reshape(-1, 2)
    group = (~rows.is_control_group[index]).astype(np.int64)
    return _at_any_look(text("balance.groups"), adaptive.GROUPS, group, patterns, pattern)


def check(title: Text, names: Sequence[Name], observed: Ints, patterns: Floats, n_draws: Ints) -> Check:
    """Return the verdict on `observed` counts (k,), of which `n_draws` (d,) were drawn from each of `patterns` (d, k).

    >>> fits = check(text("balance.groups"), ("a", "b"), np.array([480, 520]), np.array([[.5, .5]]), np.array([1000]))
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
        return Check(title, None, text("balance.too_few"), None, text("method.none"), shares)
    p_value, freedom = _chi_square(merge @ (observed - expected), merge @ covariance @ merge.T)
    if freedom == 0:
        return Check(title, None, text("balance.no_chance"), None, text("method.none"), shares)
    method = text("balance.chi_square", freedom=count(freedom), alarm=plain(ALARM))
    return Check(title, p_value >= ALARM, _sentence(p_value), p_value, method, shares)


def _at_any_look(title: Text, names: Sequence[Name], drawn: Ints, patterns: Floats, pattern: Ints) -> Check:
    """Return the verdict of the sequential test on draws in the order of seq, with the chi-square in its method."""
    n_draws = np.bincount(pattern, minlength=len(patterns))
    once = check(title, names, np.bincount(drawn, minlength=len(names)), patterns, n_draws)
    found = ratio.check(title, names, drawn, patterns, pattern)
    if once.p_value is None or found.p_value is None:
        return once if once.p_value is None else found
    beside = text("ratio.beside", method=found.method, once=once.method, p=probability(once.p_value))
    return replace(found, method=beside)


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


def _sentence(p_value: float) -> Text:
    return text("balance.fits" if p_value >= ALARM else "balance.does_not_fit", p=probability(p_value))
