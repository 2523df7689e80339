"""Has a mean changed? Bets against every constant mean at once, on rows that may depend on all rows before them.

Each row i has a mass h_i and a prediction m_i, both known before it, and a residual r_i whose expected value, given all
that was before, is h_i (mu - m_i) if the mean is mu. A bet of rate b multiplies its wealth by
(1 + b r_i) exp(-b h_i (mu - m_i)), and as 1 + x <= exp(x), it cannot be expected to gain: its wealth at the true mu is
a supermartingale (Waudby-Smith and Ramdas 2024, JRSS B 86(1), of which this is a mixture of bets that are not adapted).

For a place at which the mean may have changed, one mixture of bets is on the rows before it and another one on those
from there on. For the true mu the product of their wealths is a supermartingale in the number of rows, and so is a mean
over places that are fixed beforehand; its least value over all mu is an e-process of "the mean is constant, whatever it
is" (Ramdas, Ruf, Larsson and Koolen 2022, arXiv 2009.03167; for changes Shin, Ramdas and Rinaldo 2024, arXiv
2203.03532): where nothing changed it ever reaches 1 / alpha with a probability of at most alpha, whatever the shape of
the values and however often one looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints

RATES = 0.9 * 0.5 ** np.arange(7)
"""The rates of bets of either sign, as shares of the largest that cannot lose all; they suit up to a million rows."""

FIRST_PLACE = 250
"""The first place at which a mean may have changed, in rows."""

_GROWTH = 1.05

_BETS = np.concatenate([RATES, -RATES])
_GRID = 17
_ZOOMS = 6


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows in their order, (n,) each: see the module. No residual is further from 0 than `bound`, known before it."""

    residual: Floats
    mass: Floats
    predicted: Floats
    bound: Floats


@dataclass(frozen=True, slots=True)
class Segments:
    """What bets come to in each stretch between the `places` at which the mean may have changed, (n_segments,).

    `growth` (n_bets, n_segments) is the sum of log(1 + b r), where b is the bet's rate divided by the bound. `pull` and
    `offset` are the sums of h and of h m, divided by the bound; `mass` and `total` those of h, and of r + h m.
    """

    growth: Floats
    pull: Floats
    offset: Floats
    mass: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class Shift:
    """The logarithm of the e-value, the number of the place where the change most likely was, and the means there."""

    log_e: float
    place: int
    before: float
    since: float


def places(n: int) -> Ints:
    """Return the places in n rows at which a mean may have changed, ascending: each a twentieth further than the last.

    >>> places(250).tolist(), places(300).tolist(), len(places(1_000_000))
    ([], [250, 262, 275, 289], 170)
    """
    if n <= FIRST_PLACE:
        return np.zeros(0, np.int64)
    number = np.arange(int(np.log(n / FIRST_PLACE) / np.log(_GROWTH)) + 2)
    found = (FIRST_PLACE * _GROWTH**number).astype(np.int64)
    return found[found < n]


def share_of(number: int | Ints) -> Floats:
    """Return the share of the first wealth that is for the `number`-th place, from 0 on; of all of them it is 1."""
    return np.asarray(1.0 / ((np.asarray(number) + 1.0) * (np.asarray(number) + 2.0)))


def of_rows(stream: Stream, cuts: Ints) -> Segments:
    """Return the segments of a stream that `cuts` (k,) part: ascending, above 0 and below its length."""
    own = np.flatnonzero(stream.residual)
    edges = np.concatenate([[0], cuts, [len(stream.residual)]])
    relative = stream.residual[own] / stream.bound[own]
    own_edges = np.searchsorted(own, edges)
    scaled = stream.mass / stream.bound
    return Segments(
        growth=np.array([_sums(np.log1p(rate * relative), own_edges) for rate in _BETS]),
        pull=_sums(scaled, edges),
        offset=_sums(scaled * stream.predicted, edges),
        mass=_sums(stream.mass, edges),
        total=_sums(stream.residual + stream.mass * stream.predicted, edges),
    )


def of_counts(n_yes: Floats, n_all: Floats, predicted: Floats, segment: Ints) -> Segments:
    """Return the segments of rows that are yes or no, from counts by part (n_parts,) with one prediction in each.

    `segment` (n_parts,) is the number of the segment that a part lies in, ascending, each of which has a part.
    """
    starts = np.flatnonzero(np.diff(segment, prepend=-1))
    n_no = n_all - n_yes
    growth = n_yes * np.log1p(np.outer(_BETS, 1 - predicted)) + n_no * np.log1p(np.outer(_BETS, -predicted))
    mass = np.add.reduceat(n_all, starts)
    return Segments(
        growth=np.add.reduceat(growth, starts, axis=1),
        pull=mass,
        offset=np.add.reduceat(n_all * predicted, starts),
        mass=mass,
        total=np.add.reduceat(n_yes, starts),
    )


def shift(found: Segments) -> Shift:
    """Return the evidence that a mean in [0, 1] changed at one of the places between the segments, one at least.

    >>> rows = np.concatenate([np.tile([0., 0., 0., 1.], 100), np.tile([0., 1., 1., 1.], 100)])
    >>> stream = Stream(rows - 0.5, np.ones(800), np.full(800, 0.5), np.ones(800))
    >>> changed = shift(of_rows(stream, np.array([200, 400, 600])))
    >>> changed.place, changed.before, changed.since, changed.log_e > 20
    (1, 0.25, 0.75, True)
    >>> shift(of_rows(Stream(rows[:400] - 0.5, *(each[:400] for each in (stream.mass, stream.predicted, stream.bound))),
    ...               np.array([200]))).log_e < 0
    True
    """
    wealth = found.growth + _BETS[:, None] * found.offset
    pull = _BETS[:, None] * found.pull
    parts = _before_and_since(wealth), _before_and_since(pull)
    mean = _least(*parts)
    by_place = _log_e(*parts, np.array([mean]))[:, 0]
    place = int(by_place.argmax())
    mass, total = (_before_and_since(each[None, :])[:, 0, place] for each in (found.mass, found.total))
    before, since = (total / np.maximum(mass, np.finfo(np.float64).tiny)).tolist()
    return Shift(float(np.logaddexp.reduce(by_place)), place, before, since)


def _sums(values: Floats, edges: Ints) -> Floats:
    return np.diff(np.concatenate([[0.0], np.cumsum(values)])[edges])


def _before_and_since(segments: Floats) -> Floats:
    """Return the sums before and since each place, (2, n_rows, k), of rows by segment, (n_rows, k + 1)."""
    before = np.cumsum(segments, axis=1)
    return np.stack([before[:, :-1], before[:, -1:] - before[:, :-1]])


def _log_e(wealth: Floats, pull: Floats, means: Floats) -> Floats:
    """Return the logarithm of each place's share of the e-process at each mean, (k, n_means)."""
    log_wealth = wealth[..., None] - pull[..., None] * means
    # By hand, because scipy's logsumexp takes ten times as long.
    most = log_wealth.max(axis=1)
    both = most + np.log(np.exp(log_wealth - most[:, None]).mean(axis=1))
    return np.asarray(both.sum(axis=0) + np.log(share_of(np.arange(wealth.shape[2])))[:, None])


def _least(wealth: Floats, pull: Floats) -> float:
    """Return the mean in [0, 1] at which the evidence is least; it is convex in the mean."""
    low, high = 0.0, 1.0
    for _ in range(_ZOOMS):
        grid = np.linspace(low, high, _GRID)
        best = int(np.logaddexp.reduce(_log_e(wealth, pull, grid)).argmin())
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    return (low + high) / 2
