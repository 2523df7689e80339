"""How much of a log speaks for a target: sums of the weights, gathered block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Ints
from analysis.document import Grid
from analysis.ope import judging
from analysis.ope.evaluation import Diagnostics, Verdict
from analysis.ope.logged import Collection, Logged
from analysis.ope.overlap import Overlap
from analysis.ope.tails import Tail
from analysis.ope.totals import Totals
from analysis.ope.weighed import Weighed


@dataclass(frozen=True, slots=True)
class Sums:
    """What is added up of draws, and the largest weight and noise with their rows; NaN without whole distributions."""

    n_matched: int = 0
    n_rewarded: int = 0
    unsupported: float = 0.0
    noise: float = 0.0
    possible: float = 0.0
    largest: float = 0.0
    largest_row: int = -1
    noisiest: float = 0.0
    noisiest_row: int = -1

    @classmethod
    def of(cls, part: Weighed, row: Ints) -> Sums:
        """Return the sums of draws in some rows (n,), one at least."""
        matched = part.weight > 0
        place, noisiest = int(part.weight.argmax()), int(part.noise.argmax())
        return cls(
            n_matched=int(np.count_nonzero(matched)),
            n_rewarded=int(np.count_nonzero(matched & (part.reward != 0))),
            unsupported=float(part.unsupported.sum()),
            noise=float(part.noise.sum()),
            possible=float(part.largest.max()),
            largest=float(part.weight[place]),
            largest_row=int(row[place]),
            noisiest=float(part.noise[noisiest]),
            noisiest_row=int(row[noisiest]),
        )

    def __add__(self, other: Sums) -> Sums:
        larger = other if other.largest > self.largest or self.largest_row < 0 else self
        noisier = other if other.noisiest > self.noisiest or self.noisiest_row < 0 else self
        return Sums(
            self.n_matched + other.n_matched,
            self.n_rewarded + other.n_rewarded,
            self.unsupported + other.unsupported,
            self.noise + other.noise,
            float(np.maximum(self.possible, other.possible)),
            larger.largest,
            larger.largest_row,
            noisier.noisiest,
            noisier.noisiest_row,
        )


@dataclass(slots=True)
class Evidence:
    """Gathers what draws say of one target, not of a difference of two; the evidence of two logs adds up.

    Of constant size, but for two sums of each unit. The draws have passed `checking.check`, the target's probabilities
    `checking.check_target`.
    """

    collection: Collection
    totals: Totals | None = None
    sums: Sums = field(default_factory=Sums)
    tail: Tail = field(default_factory=Tail)
    segments: Overlap = field(default_factory=Overlap)

    def add(self, block: Logged, part: Weighed) -> None:
        """Take in draws and what they say, or where they fill slates, what each slate says."""
        if not len(part):
            return
        first = block if len(part) == len(block) else block[_starts(block)]
        self.totals = _plus(self.totals, Totals.of([part.weight, np.abs(part.weight * part.reward)], part.unit))
        self.sums += Sums.of(part, first.row)
        self.tail = self.tail.with_weights(part.weight)
        self.segments.add(first, part)

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.collection,
            _plus(self.totals, other.totals),
            self.sums + other.sums,
            self.tail + other.tail,
            self.segments + other.segments,
        )

    def diagnostics(self, n_open: int = 0, n_left_out: int = 0) -> Diagnostics:
        """Return what the draws come to, with how many more had open windows, and how many could not be used."""
        n = self.totals.n if self.totals is not None else 0
        mean_weight, error = self._mean_weight()
        effective, rewarded = self._effective()
        return Diagnostics(
            n=n,
            n_units=self.totals.n_units if self.totals is not None else 0,
            n_matched=self.sums.n_matched,
            n_rewarded=self.sums.n_rewarded,
            effective=effective,
            effective_rewarded=rewarded,
            effective_expected=n**2 / self.sums.noise if self.sums.noise > 0 else None,
            largest=self.sums.largest,
            largest_row=self.sums.largest_row if n else None,
            possible=_known(self.sums.possible) if n else None,
            tail=self.tail.index,
            unsupported=_known(self.sums.unsupported / n) if n else None,
            mean_weight=mean_weight,
            mean_weight_error=error,
            matured=n / (n + n_open) if n else 0.0,
            left_out=n_left_out / (n + n_open + n_left_out) if n_left_out else 0.0,
            noisiest=self.sums.noisiest / self.sums.noise if self.sums.noise > 0 else 0.0,
            noisiest_row=self.sums.noisiest_row if self.sums.noise > 0 else None,
        )

    def verdict(self, n_open: int = 0, n_left_out: int = 0) -> Verdict:
        """Return whether the log can say what the target would have earned: by the rule of `analysis.ope.judging`."""
        found = self.diagnostics(n_open, n_left_out)
        return judging.verdict(found, self.collection, self.segments.gaps(self._widening()))

    def overlap(self) -> Grid | None:
        """Return what each segment of the context says, or None where there are no segments."""
        return self.segments.grid(self._widening())

    def _effective(self) -> tuple[float, float]:
        """Return the effective number of draws, and of rewarded ones: by unit where units have several draws."""
        if self.totals is None:
            return 0.0, 0.0
        total, square = (self.totals.n * self.totals.mean) ** 2, self.totals.squares
        found = np.divide(total, square, out=np.zeros(2), where=square > 0)
        return float(found[0]), float(found[1])

    def _widening(self) -> float:
        """Return how many times as large the error of the mean weight is by unit as it would be by draw."""
        if self.totals is None or self.totals.n_units < 2:
            return 1.0
        by_unit = float(self.totals.covariance[0, 0])
        by_draw = float(self.totals.moments.variance[0, 0, 0]) / self.totals.n
        return math.sqrt(max(by_unit / by_draw, 1.0)) if by_draw > 0 else 1.0

    def _mean_weight(self) -> tuple[float, float | None]:
        """Return the mean weight and its standard error: the larger of what was seen and what the log promised.

        Given the contexts, the variance of a weight is sum_a pi(a)**2 / p(a) - (1 - unsupported)**2. A log that has
        not met its largest weights yet seems to know its mean better than it does.
        """
        if self.totals is None:
            return 0.0, None
        n = self.totals.n
        seen = math.sqrt(self.totals.covariance[0, 0]) if self.totals.n_units > 1 else math.nan
        supported = 1 - self.sums.unsupported / n
        promised = math.sqrt(max(self.sums.noise / n - supported**2, 0.0) / n)
        known = [each for each in (seen, promised) if not math.isnan(each)]
        return float(self.totals.mean[0]), max(known, default=None)


def _plus(one: Totals | None, other: Totals | None) -> Totals | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _starts(block: Logged) -> Ints:
    return np.flatnonzero(np.concatenate([[True], block.slate[1:] != block.slate[:-1]]))
