"""Several estimators from one pass: each term is computed and gathered once, whoever needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Estimator, Term
from analysis.ope.totals import Totals
from analysis.ope.weighed import Weighed


@dataclass(frozen=True, slots=True)
class Layout:
    """The m different `terms` of some estimators, in the order in which one Totals holds them."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, *estimators: Estimator) -> Layout:
        """Return the layout of what these estimators need.

        >>> from analysis.ope.estimators.ips import Ips
        >>> from analysis.ope.estimators.snips import Snips
        >>> len(Layout.of(Ips(), Snips()).terms)
        2
        """
        return cls(tuple(dict.fromkeys(term for each in estimators for term in each.columns)))

    def totals(self, part: Weighed) -> Totals:
        """Return the totals of some draws, by unit."""
        return Totals.of([term(part) for term in self.terms], part.unit)

    def value(self, estimator: Estimator, totals: Totals) -> float:
        """Return an estimate, NaN where there is none."""
        return estimator.value(totals.mean[self._columns(estimator)])

    def gradient(self, estimator: Estimator, totals: Totals) -> Floats:
        """Return by how much an estimate moves with each mean, (m,), whether its own or not."""
        columns = self._columns(estimator)
        found = np.zeros(len(self.terms))
        found[columns] = estimator.gradient(totals.mean[columns])
        return found

    def _columns(self, estimator: Estimator) -> list[int]:
        return [self.terms.index(term) for term in estimator.columns]
