"""Betting sequences: an interval that holds at all looks together, at any n, for values within a declared range.

Each subject i has a score whose expected value, given all earlier subjects, is its own difference d_i between two
sides: what was predicted from earlier subjects alone, plus the residual of its value divided by the logged probability
of its label. A bet of rate b multiplies its wealth by (1 + b * residual_i) * exp(-b * (d_i - predicted_i)). Since
1 + x <= exp(x), no bet can be expected to gain, whatever the d_i are. The product depends on them through their mean
alone:

    log wealth_b(d) = sum log(1 + b * residual_i) + b * sum predicted_i - b * n * d.

The wealth of a mixture of bets of both signs reaches 1 / alpha at the true mean difference so far with a probability of
at most `alpha`, at all looks together (Ville 1939); the interval is where it has not. The effect may drift, and the
probabilities may be fixed or logged ones of a policy that learns.

Of the constructions that were compared this is the narrowest for nearly every n, rate and split: 1.6 to 1.75 of the
interval for one look, from about a hundred events a side on and up to a hundred times the planned number, where
Waudby-Smith and Ramdas (2024, arXiv 2010.09686) with hedged capital on the same scores give 1.6 to 2.0, on plain
propensity-weighted values 1.7 to 2.5, and by variant with a union bound 2.1 to 3.9. Theirs hold for an effect that is
constant; this one for the mean effect so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.arrays import Flags, Floats, Ints

_LARGEST = 0.9
"""The share of the wealth that a bet may lose at once."""

_BEYOND = 100
"""The slowest bets suit so many times the planned number of units."""

_SUITED = 2.7
"""The rate at which a bet grows fastest towards 1 / alpha, times the standard deviation and the root of n."""

_ROUNDING = 1e-9

_STEPS = 60
"""The most steps in which an end is looked for; it takes about ten to the last digit."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One for each subject in order, (n,): what was predicted before it, and how far its score lies from that.

    `row` is the subject's place in the sample, ascending. `bound` is how far the score could have lain from what was
    predicted, known before the subject's draw. `reach` is the largest difference that the declared range allows.
    """

    row: Ints
    predicted: Floats
    residual: Floats
    bound: Floats
    reach: float

    def __len__(self) -> int:
        return len(self.residual)


@dataclass(frozen=True, slots=True)
class Bets:
    """Rates of both signs, (k,), and the logarithms of their shares of the first wealth, (k,)."""

    rates: Floats
    log_shares: Floats


@dataclass(frozen=True, slots=True)
class Sequence:
    """The mean score at each look, low and high ends of the mean difference, and the p-value of none: (n_looks,)."""

    mean: Floats
    low: Floats
    high: Floats
    p_value: Floats


def scores(
    values: Floats,
    label: Ints,
    stratum: Ints,
    probabilities: Floats,
    contrast: Floats,
    *,
    value_range: tuple[float, float],
) -> Scores:
    """Return the scores of a difference of two sides, `contrast` (n_labels,): weights that sum to 0.

    `values`, `label` and `stratum` are (n,) in the order in which subjects came; `probabilities` is (n_strata,
    n_labels). Subjects of strata where a label of the contrast could not be drawn are left out.
    """
    used = contrast != 0
    size = np.abs(contrast[used])
    drawable: Flags = np.asarray((probabilities[:, used] > 0).all(axis=1))
    row = np.flatnonzero(drawable[stratum])
    values, label, stratum = values[row], label[row], stratum[row]
    least, most = value_range
    predicted, residual = np.zeros(len(values)), np.zeros(len(values))
    for place in np.flatnonzero(used):
        is_its = label == place
        expected = _earlier_means(values, is_its, (least + most) / 2)
        predicted += contrast[place] * expected
        weight = contrast[place] / probabilities[stratum[is_its], place]
        residual[is_its] = weight * (values[is_its] - expected[is_its])
    bounds = np.zeros(len(probabilities))
    bounds[drawable] = (most - least) * (size / probabilities[np.ix_(drawable, used)]).max(axis=1)
    return Scores(row, predicted, residual, bounds[stratum], (most - least) * float(size.sum()) / 2)


def bets(bound: float, reach: float, n_planned: int) -> Bets:
    """Return bets whose rates halve from what `bound` allows down to what suits large samples.

    A score's standard deviation is at most sqrt(bound * reach / 2), which with n says which rates are of use. The share
    of a rate falls with the halvings between it and the one that suits half that deviation at the planned number.
    """
    deviation = np.sqrt(bound * reach / 2)
    fastest = _LARGEST / bound
    slowest = min(_SUITED / (deviation * np.sqrt(_BEYOND * n_planned)), fastest)
    rates = fastest * 0.5 ** np.arange(int(np.ceil(np.log2(fastest / slowest))) + 1)
    halvings = np.log2(rates * deviation / 2 * np.sqrt(n_planned) / _SUITED)
    weights = 1 / (1 + (halvings / 2) ** 2)
    log_shares = np.log(weights / weights.sum() / 2)
    return Bets(np.concatenate([rates, -rates]), np.concatenate([log_shares, log_shares]))


def sequence(found: Scores, ends: Ints, n_planned: int, alpha: float) -> Sequence:
    """Return the sequence at looks that have seen the first `ends` (n_looks,) subjects of the sample; one at least.

    Bets that could lose all at some subject's bound are given up from the start, which never narrows anything.
    """
    n = np.searchsorted(found.row, ends)
    offered = bets(float(found.bound[0]), found.reach, n_planned)
    kept = np.abs(offered.rates) * found.bound.max() <= _LARGEST + _ROUNDING
    rates = offered.rates[kept]
    predicted = _sums(found.predicted, n)
    growth = [_sums(np.log1p(rate * found.residual), n) + rate * predicted for rate in rates]
    log_wealth = np.array(growth).reshape(len(rates), len(n)) + offered.log_shares[kept, None]
    mean = (predicted + _sums(found.residual, n)) / np.maximum(n, 1)
    pull = np.outer(rates, n)
    low, high = (_end(log_wealth, pull, mean, side * found.reach, alpha) for side in (-1, 1))
    return Sequence(mean, low, high, np.exp(-np.maximum(_total(log_wealth), 0)))


def half_width(standard_error: float, n: float, offered: Bets, reach: float, alpha: float) -> float:
    """Return how far the sequence is expected to reach to each side, for a difference known to `standard_error`.

    >>> round(half_width(0.006, 10_000, bets(2.0, 1.0, 10_000), 1.0, 0.05) / (1.96 * 0.006), 2)
    1.6
    """
    log_wealth = offered.log_shares - (offered.rates * n * standard_error) ** 2 / 2
    pull = offered.rates * n
    return float(_end(log_wealth[:, None], pull[:, None], np.zeros(1), reach, alpha)[0])


def _earlier_means(values: Floats, chosen: Flags, first: float) -> Floats:
    """Return the mean of the chosen values before each row, (n,), as if one value more of `first` had come before."""
    n: Ints = np.cumsum(chosen) - chosen
    total = np.cumsum(values * chosen) - values * chosen
    return np.asarray((total + first) / (n + 1))


def _sums(values: Floats, n: Ints) -> Floats:
    """Return the sum of the first n values, for each of n (n_looks,), ascending."""
    return np.cumsum([values[start:end].sum() for start, end in pairwise([0, *n.tolist()])])


def _total(log_wealth: Floats) -> Floats:
    """Return the logarithm of the whole mixture's wealth at each look; no bets are no wealth."""
    if not len(log_wealth):
        return np.full(log_wealth.shape[1], -np.inf)
    # By hand, because the ends ask for it often, and scipy's logsumexp takes ten times as long.
    most = log_wealth.max(axis=0)
    return np.asarray(most + np.log(np.exp(log_wealth - most).sum(axis=0)))


def _end(log_wealth: Floats, pull: Floats, centre: Floats, limit: float, alpha: float) -> Floats:
    """Return one end at each look: where the wealth, (k, n_looks), has grown to 1 / alpha, or `limit`.

    The wealth is convex in the difference and at most 1 at the mean score `centre`, so each side has one end.
    """
    # Newton's steps from outside: what is convex lies above its tangents, so that none of them goes too far.
    end = np.where(np.sign(limit) * (limit - centre) > 0, limit, centre)
    for _ in range(_STEPS):
        log_each = log_wealth - pull * end
        log_total = _total(log_each)
        excess = log_total + np.log(alpha)
        is_out = excess > 0
        slope = (np.exp(log_each - log_total) * pull).sum(axis=0)
        nearer = end + np.divide(excess, slope, out=np.zeros_like(end), where=is_out & (slope != 0))
        if (nearer == end).all():
            break
        end = nearer
    return np.clip(end, -abs(limit), abs(limit))
