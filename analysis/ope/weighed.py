"""What each draw says of a target: all that estimators, intervals and diagnostics see of a log.

Here (n, k) tables become columns of (n,), block by block, so that nothing else grows with the number of variants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.ope.logged import Logged

LEAST = 1e-12
"""A smaller probability is none: nobody's log has so many draws, and weights beyond its inverse have no squares."""


_ROUNDING = 1e-12
"""Two numbers that differ by such a share of themselves are meant to be one."""

_AT_ONCE = 1 << 14
"""So many numbers of a table are looked at at once: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Draws and what they say of a target pi, or of the difference pi - pi' of two, (n,) each.

    `weight` is w = pi(a) / p(a) of the drawn variant a, with p the logged distribution; `reward` r; `predicted` q(a)
    and `expected` sum_a pi(a) q(a) by a model q of the reward that has not seen the draw, 0 without one. `score` is
    the doubly robust one, expected + w (r - q(a)).

    `largest` is max_a |pi(a)| / p(a): the largest weight that the draw could have had. `noise` is
    sum_a pi(a)**2 / p(a): how noisy the draw is, whatever it brings. `unsupported` is the sum of |pi(a)| where p(a) is
    0. `below` and `above` say how far w (r - q(a)) could have lain on either side of 0, for any a and any r within the
    declared range. Of these `largest`, `noise`, `unsupported`, `below` and `above` are NaN where the log has no whole
    distributions, and the latter two also where no range is declared.
    """

    weight: Floats
    reward: Floats
    predicted: Floats
    expected: Floats
    score: Floats
    largest: Floats
    noise: Floats
    unsupported: Floats
    below: Floats
    above: Floats
    unit: Ints
    slate: Ints
    slot: Ints
    logger: Ints

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, rows: slice | Ints | Flags) -> Weighed:
        return Weighed(*(getattr(self, each.name)[rows] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Weighed]) -> Weighed:
        """Return the draws of several parts, one after the other; one part at least."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


def weighed(log: Logged, target: Floats, predicted: Floats | None = None) -> Weighed:
    """Return what draws say of a target (n, k), or of the difference of two, with a model's predictions (n, k).

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.25]), probabilities=np.array([[0.25, 0.75]]))
    >>> found = weighed(log, np.array([[0.5, 0.5]]), np.array([[0.2, 0.6]]))
    >>> found.weight.item(), found.expected.item(), found.largest.item()
    (2.0, 0.4, 2.0)
    """
    plain, p = weighed_plainly(log, target, predicted), log.probabilities
    if p is None:
        return plain
    known = np.empty((5, len(log)))
    step = max(_AT_ONCE // max(log.k, 1), 1)
    for start in range(0, len(log), step):
        rows = slice(start, start + step)
        own = None if predicted is None else predicted[rows]
        _of_tables(known[:, rows], target[rows], p[rows], own, log.collection.value_range)
    largest, noise, unsupported, below, above = known
    return replace(plain, largest=largest, noise=noise, unsupported=unsupported, below=below, above=above)


def weighed_plainly(log: Logged, target: Floats, predicted: Floats | None = None) -> Weighed:
    """Return the same without what whole distributions tell: all that an estimator's value needs."""
    weight = _of_drawn(target, log.variant) / log.propensity
    if predicted is None:
        own = expected = np.broadcast_to(0.0, len(log))
        score = weight * log.reward
    else:
        own, expected = _of_drawn(predicted, log.variant), np.einsum("nk,nk->n", target, predicted)
        score = expected + weight * (log.reward - own)
    columns = log.unit, log.slate, log.slot, log.logger
    # What is the same of all draws takes no memory.
    unknown = (np.broadcast_to(np.nan, len(log)),) * 5
    return Weighed(weight, log.reward, own, expected, score, *unknown, *columns)


def _of_drawn(table: Floats, variant: Ints) -> Floats:
    """Return what a table (n, k) has of the drawn variants, (n,)."""
    n, k = table.shape
    if not table.flags.c_contiguous:
        return np.asarray(table[np.arange(n), variant])
    # A fifth quicker than by row and column, and this is most of what a value takes.
    return table.ravel().take(np.arange(0, n * k, k) + variant)


def _of_tables(
    known: Floats, target: Floats, p: Floats, predicted: Floats | None, value_range: tuple[float, float] | None
) -> None:
    """Fill (5, n) with the largest weight, noise, share without support, and the bounds below and above 0.

    Variant by variant, because numpy is slow along short rows.
    """
    pi, p = np.ascontiguousarray(target.T), np.ascontiguousarray(p.T)
    has_support = p >= LEAST
    ratio = np.divide(pi, p, out=np.zeros_like(pi), where=has_support)
    np.abs(ratio).max(axis=0, initial=0.0, out=known[0])
    np.einsum("kn,kn->n", pi, ratio, out=known[1])
    np.abs(np.where(has_support, 0.0, pi)).sum(axis=0, out=known[2])
    if value_range is None:
        known[3:] = np.nan
        return
    q = 0.0 if predicted is None else np.ascontiguousarray(predicted.T)
    ends = [ratio * (end - q) for end in value_range]
    known[3] = -np.minimum(*ends).min(axis=0, initial=0.0)
    known[4] = np.maximum(*ends).max(axis=0, initial=0.0)


def on_policy(log: Logged) -> Weighed:
    """Return what draws say of the policy that made them, whose distributions need not be known: what they brought."""
    n = len(log)
    ones, none, unknown = np.ones(n), np.zeros(n), np.full(n, np.nan)
    columns = log.unit, log.slate, log.slot, log.logger
    return Weighed(ones, log.reward, none, none, log.reward, ones, ones, none, unknown, unknown, *columns)


def less(one: Weighed, other: Weighed) -> Weighed:
    """Return what draws say of the difference of two targets, each with scores of its own; its bounds are not known."""
    unknown = np.full(len(one), np.nan)
    return replace(
        one,
        weight=_apart(one.weight, other.weight),
        expected=_apart(one.expected, other.expected),
        score=_apart(one.score, other.score),
        largest=one.largest + other.largest,
        noise=unknown,
        below=unknown,
        above=unknown,
    )


def nowhere(part: Weighed) -> Weighed:
    """Return the difference of two targets that are the same at every draw: nothing could have told them apart."""
    none = np.zeros(len(part))
    return replace(part, largest=none, noise=none, unsupported=none, below=none, above=none)


def _apart(one: Floats, other: Floats) -> Floats:
    """Return the difference of two columns, (n,), 0 where rounding alone tells them apart."""
    found = one - other
    found[np.abs(found) <= _ROUNDING * (np.abs(one) + np.abs(other))] = 0.0
    return found
