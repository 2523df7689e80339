"""Every estimator's value from one pass over a log, and whether they say the same.

The rule for the latter: each estimator is compared with the doubly robust one, on the same draws, by the normal test of
their difference with the joint covariance of their terms (delta method). All comparisons together raise a false alarm
in a share ERROR of sound logs, in large samples (Bonferroni). Estimators without bias that lie apart say that
propensities are wrong or that weights have too heavy a tail to tell; a biased one that lies apart says that it is
biased here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.ope.estimators.base import Estimator
from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.cressie_read import CressieRead
from analysis.ope.estimators.dm import Dm
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.layout import Layout
from analysis.ope.estimators.sndr import Sndr
from analysis.ope.estimators.snips import Snips
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.logged import Collection
from analysis.ope.slope import SWITCH, slope
from analysis.ope.totals import Totals, deviation
from analysis.ope.weighed import Weighed
from analysis.texts import Text, share, text

PANEL: tuple[Estimator, ...] = (
    Ips(),
    Snips(),
    Clipped(),
    Dm(),
    Dr(),
    Sndr(),
    SwitchDr(),
    DrOs(),
    CressieRead(),
)
"""What is shown beside the doubly robust value, which is among them."""

ERROR = 0.01
"""The share of sound logs in which some estimator without bias is said to lie apart."""

_ROUNDING = 1e-9

_MAIN = Dr()


@dataclass(slots=True)
class Panel:
    """Gathers what `estimators` need, block by block; panels of two logs add up.

    `largest` is the largest weight that any draw could have had, NaN where a draw's is not known.
    """

    collection: Collection
    estimators: tuple[Estimator, ...] = PANEL
    totals: Totals | None = None
    largest: float = 0.0

    def add(self, part: Weighed) -> None:
        """Take in what some draws say of one target."""
        found = self._layout.totals(part)
        self.totals = found if self.totals is None else self.totals + found
        self.largest = float(np.maximum(self.largest, part.largest.max(initial=0.0)))

    def __add__(self, other: Panel) -> Panel:
        if self.totals is None or other.totals is None:
            return replace(other if self.totals is None else self)
        largest = float(np.maximum(self.largest, other.largest))
        return replace(self, totals=self.totals + other.totals, largest=largest)

    def estimates(self, estimand: Text, scale: Scale = Scale.AMOUNT, level: float = LEVEL) -> tuple[Estimate, ...]:
        """Return every estimator's estimate: a normal interval where it has no bias and the log is not adaptive."""
        blank = Estimate(None, None, None, 0, text("method.none"), estimand, scale, level=level)
        return tuple(_estimate(each, blank, self.collection.is_adaptive) for each in self._found())

    def agreement(self) -> Text:
        """Return in words whether the estimators say the same, by the rule above."""
        found = self._found()
        if self.totals is None or self.totals.n_units < 2:
            return text("ope.estimator.too_few")
        if not (apart := _apart(found, self.totals, self._layout)):
            return text("ope.estimator.agree", level=share(ERROR))
        said = [*_said("disagree", apart, is_biased=False), *_said("show_bias", apart, is_biased=True)]
        return said[0] if len(said) == 1 else text("ope.estimator.both", first=said[0], second=said[1])

    def slope(self) -> Text | None:
        """Return how far SLOPE would let weights be shrunk, or None where there is nothing to tell it from."""
        if self.totals is None:
            return None
        columns = [self._layout.terms.index(each.columns[0]) for each in SWITCH]
        found = slope(SWITCH, self.totals.chosen(columns))
        return None if found is None else found.note

    @property
    def _layout(self) -> Layout:
        return Layout.of(_MAIN, *self.estimators, *SWITCH)

    def _found(self) -> list[_Found]:
        if self.totals is None:
            return []
        told = [each.told(self.totals.n, self.largest) for each in self.estimators]
        return [_Found.of(each, self._layout, self.totals) for each in told]


@dataclass(frozen=True, slots=True)
class _Found:
    """An estimator's value of `n` draws, how it moves with the mean of each term (m,), and its standard error."""

    estimator: Estimator
    n: int
    value: float
    gradient: Floats
    error: float

    @classmethod
    def of(cls, estimator: Estimator, layout: Layout, totals: Totals) -> _Found:
        gradient = layout.gradient(estimator, totals)
        error = deviation(gradient, totals.covariance)
        return cls(estimator, totals.n, layout.value(estimator, totals), gradient, error)


def _estimate(found: _Found, blank: Estimate, is_adaptive: bool) -> Estimate:
    estimator, method = found.estimator, found.estimator.method
    if math.isnan(found.value):
        nothing = not_evaluable(text("ope.estimator.no_value"), blank.estimand, found.n, scale=blank.scale)
        return replace(nothing, method=method)
    point = replace(blank, value=found.value, n=found.n, method=method)
    if estimator.is_biased or is_adaptive or math.isnan(found.error):
        why = "biased" if estimator.is_biased else "adaptive" if is_adaptive else "too_few"
        return replace(point, note=text(f"ope.estimator.{why}"))
    reach = -float(special.ndtri(error_rate(blank.level, blank.family) / 2)) * found.error
    normal = text("ope.estimator.normal", method=method)
    return replace(point, low=found.value - reach, high=found.value + reach, method=normal)


def _apart(found: Sequence[_Found], totals: Totals, layout: Layout) -> list[Estimator]:
    """Return the estimators that lie further from the doubly robust one than chance explains."""
    main = _Found.of(_MAIN, layout, totals)
    reach = -float(special.ndtri(ERROR / max(len(found) - 1, 1) / 2))
    return [each.estimator for each in found if _differ(each, main, totals, reach)]


def _differ(one: _Found, other: _Found, totals: Totals, reach: float) -> bool:
    """Whether two estimates differ by more than so many standard errors of their difference; never where one is NaN."""
    error = deviation(one.gradient - other.gradient, totals.covariance)
    return abs(one.value - other.value) > reach * error + _ROUNDING * abs(other.value)


def _said(key: str, apart: Sequence[Estimator], *, is_biased: bool) -> Iterator[Text]:
    names = tuple(each.method for each in apart if each.is_biased == is_biased)
    if names:
        yield text(f"ope.estimator.{key}", estimators=names, level=share(ERROR))
