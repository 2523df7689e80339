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

_TOGETHER = 16
"""So many gains are multiplied before a logarithm is taken: no product of them overflows."""

_LATER = 4
"""Rates of use at so many times the planned number, and after one such part of it, have the same share."""

_STEP = 2**0.5
"""Each such rate is so many times the next."""

_SPARE = 0.1
"""The share of the wealth for rates that the first subject does not allow in full."""

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
class Wealth:
    """What bets of some `rates` (k,) have made of their shares at each look, as a function of the mean difference.

    `log_wealth` (k, n_looks) is that at a difference of 0, and `n` (n_looks,) how many subjects there were.
    """

    rates: Floats
    log_wealth: Floats
    n: Floats | Ints

    @property
    def p_value(self) -> Floats:
        """The least error at which 0 is left out, (n_looks,): 1 / the wealth there, and 1 at most."""
        return np.asarray(np.exp(-np.maximum(_total(self.log_wealth), 0)))

    def interval(self, mean: Floats, limits: tuple[float, float], alpha: float) -> tuple[Floats, Floats]:
        """Return low and high, between which the wealth is below 1 / alpha, (n_looks,) each and within `limits`.

        `mean` (n_looks,) is the mean score, where the wealth is at most 1.
        """
        low, high = (self._end(mean, limit, side, alpha) for limit, side in zip(limits, (-1, 1), strict=True))
        return np.minimum(low, high).clip(*limits), np.maximum(low, high).clip(*limits)

    def _end(self, mean: Floats, limit: float, side: int, alpha: float) -> Floats:
        """Return one end at each look: where the wealth has grown to 1 / alpha, or `limit`.

        The wealth is convex in the difference, so each side has one end.
        """
        pull = np.outer(self.rates, self.n)
        # Newton's steps from outside: what is convex lies above its tangents, so that none of them goes too far.
        end = np.where(side * (limit - mean) > 0, limit, mean)
        for _ in range(_STEPS):
            log_each = self.log_wealth - pull * end
            log_total = _total(log_each)
            excess = log_total + np.log(alpha)
            slope = (np.exp(log_each - log_total) * pull).sum(axis=0)
            # Bets that a subject did not allow in full may have gained at the mean; then there may be no end at all.
            is_out = (excess > 0) & (side * slope < 0)
            nearer = end + np.divide(excess, slope, out=np.zeros_like(end), where=is_out)
            if (nearer == end).all():
                break
            end = nearer
        return end


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
    deviation = float(np.sqrt(bound * reach / 2))
    likely = suited(deviation / 2, n_planned)
    rates = _rates(_LARGEST / bound, suited(deviation, _BEYOND * n_planned), step=2.0)
    log_shares = _log_shares(rates, (likely, likely), fading=2.0)
    return Bets(np.concatenate([rates, -rates]), np.concatenate([log_shares, log_shares]))


def bets_of_sides(below: float, above: float, deviations: tuple[float, float], n_planned: int) -> Bets:
    """Return bets where the first residual reaches `below` to one side of 0 and `above` to the other, both 0 or more.

    A score's standard deviation is thought to lie within `deviations` (least, most). Rates that suit one of these, at
    the planned number or up to `_LATER` times as many, have the same share.
    """
    (plus, plus_shares), (minus, minus_shares) = (_of_a_side(side, deviations, n_planned) for side in (below, above))
    return Bets(np.concatenate([plus, -minus]), np.concatenate([plus_shares, minus_shares]))


def _of_a_side(side: float, deviations: tuple[float, float], n_planned: int) -> tuple[Floats, Floats]:
    """Return the rates of one sign and the logarithms of their shares, (k,).

    The first subject may be an odd one. So `_SPARE` of the wealth goes to rates that it does not allow in full.
    """
    least, most = deviations
    likely = suited(most, _LATER * n_planned), suited(least, n_planned)
    allowed = min(_LARGEST / side, suited(least, 1)) if side else suited(least, 1)
    rates = _rates(allowed, suited(most, _BEYOND * n_planned), _STEP)
    log_shares = _log_shares(rates, likely, fading=1.0)
    n_faster = int(np.ceil(np.log2(likely[1] / allowed) / np.log2(_STEP)))
    faster: Floats = allowed * _STEP ** np.arange(1, n_faster + 1, dtype=np.float64)
    if not len(faster):
        return rates, log_shares
    spare = _log_shares(faster, likely, fading=1.0) + np.log(_SPARE)
    return np.concatenate([rates, faster]), np.concatenate([log_shares + np.log1p(-_SPARE), spare])


def suited(deviation: float, n: float) -> float:
    """Return the rate at which a bet on n scores of this standard deviation grows fastest towards 1 / alpha."""
    return _SUITED / (deviation * float(np.sqrt(n)))


def _rates(fastest: float, slowest: float, step: float) -> Floats:
    """Return rates of one sign, (k,), each `step` times slower than the one before, down to the slowest or below."""
    n_steps = int(np.ceil(np.log2(fastest / min(slowest, fastest)) / np.log2(step)))
    return np.asarray(fastest * (1 / step) ** np.arange(n_steps + 1))


def _log_shares(rates: Floats, likely: tuple[float, float], fading: float) -> Floats:
    """Return the logarithms of the shares of one sign, (k,), half at so many halvings off the `likely` as `fading`."""
    halvings = np.log2(np.maximum(rates / likely[1], likely[0] / rates)).clip(min=0.0)
    weights = 1 / (1 + (halvings / fading) ** 2)
    return np.asarray(np.log(weights / weights.sum() / 2))


def sequence(found: Scores, ends: Ints, n_planned: int, alpha: float) -> Sequence:
    """Return the sequence at looks that have seen the first `ends` (n_looks,) subjects of the sample; one at least.

    Bets that could lose all at some subject's bound are given up from the start, which never narrows anything.
    """
    n = np.searchsorted(found.row, ends)
    offered = bets(float(found.bound[0]), found.reach, n_planned)
    kept = np.abs(offered.rates) * found.bound.max() <= _LARGEST + _ROUNDING
    rates, limits = offered.rates[kept], (-found.reach, found.reach)
    pieces = [slice(start, end) for start, end in pairwise([0, *n.tolist()])]
    grown = [
        growth(rates, found.predicted[each], found.residual[each], (found.bound[each], found.bound[each]), limits)
        for each in pieces
    ]
    wealth = Wealth(rates, np.cumsum(grown, axis=0).T + offered.log_shares[kept, None], n)
    mean = _sums(found.predicted + found.residual, n) / np.maximum(n, 1)
    low, high = wealth.interval(mean, limits, alpha)
    return Sequence(mean, low, high, wealth.p_value)


def growth(
    rates: Floats, predicted: Floats, residual: Floats, sides: tuple[Floats, Floats], limits: tuple[float, float]
) -> Floats:
    """Return by how much the log wealth of each bet grows over some subjects, (k,), but for the pull of the difference.

    `sides` say how far each residual could have lain below and above 0, known before the subject's draw, and `limits`
    what each difference lies between; `predicted`, `residual` and the sides are (n,).
    """
    below, above = sides
    return np.array(
        [
            _growth(rate, predicted, residual, below if rate > 0 else above, limits[0] if rate > 0 else limits[1])
            for rate in rates.tolist()
        ]
    )


def _growth(rate: float, predicted: Floats, residual: Floats, side: Floats, limit: float) -> float:
    """Return the same for one rate.

    Where a subject does not allow the rate, as much of it as is allowed is bet. For the rest counts what is certain:
    that its difference does not lie beyond the limit, which never gains and never loses all.
    """
    if abs(rate) * side.max(initial=0.0) <= _LARGEST + _ROUNDING:
        return _log_product(rate * residual) + rate * float(predicted.sum())
    allowed = np.divide(_LARGEST, side, out=np.full(len(side), np.inf), where=side > 0)
    own = np.copysign(np.minimum(abs(rate), allowed), rate)
    return _log_product(own * residual) + float(own @ predicted) + float((rate - own).sum()) * limit


def _log_product(gains: Floats) -> float:
    """Return the sum of log(1 + gain), by products of several: a logarithm takes ten times as long as a product."""
    whole = len(gains) // _TOGETHER * _TOGETHER
    products = (1 + gains[:whole]).reshape(_TOGETHER, -1).prod(axis=0)
    return float(np.log(products).sum() + np.log1p(gains[whole:]).sum())


def half_width(standard_error: float, n: float, offered: Bets, reach: float, alpha: float) -> float:
    """Return how far the sequence is expected to reach to each side, for a difference known to `standard_error`.

    >>> round(half_width(0.006, 10_000, bets(2.0, 1.0, 10_000), 1.0, 0.05) / (1.96 * 0.006), 2)
    1.6
    """
    log_wealth = offered.log_shares - (offered.rates * n * standard_error) ** 2 / 2
    wealth = Wealth(offered.rates, log_wealth[:, None], np.array([n]))
    return float(wealth.interval(np.zeros(1), (-reach, reach), alpha)[1][0])


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
