"""Samples of a metric, made by hand."""

from __future__ import annotations

import numpy as np

from analysis.estimate import Scale
from analysis.lifts import lift
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments
from analysis.logs.metrics import Sample
from analysis.texts import text

PLUS, MINUS = np.array([0.0, 1.0]), np.array([1.0, 0.0])
HALVES = np.array([[0.5, 0.5]])
HOUR = 3_600_000_000


def sample(values, label, stratum=None, per=None, covariates=None, hours=24.0):
    """Return a sample of subjects that came evenly over some hours."""
    n = len(values)
    values = np.asarray(values, np.float64)
    return Sample(
        label=np.asarray(label),
        stratum=np.zeros(n, np.int64) if stratum is None else np.asarray(stratum),
        since=np.linspace(0, hours * HOUR, n).astype(np.int64),
        unit_key=np.arange(n),
        row=np.arange(n),
        values=values,
        uncapped=values,
        per=per,
        covariates=np.zeros((n, 0)) if covariates is None else covariates,
        n_open=0,
    )


def conversions(rng, n, rates=(0.1, 0.1), **changes):
    """Return a sample of zeros and ones of two variants, drawn evenly."""
    label = rng.integers(0, 2, n)
    return sample((rng.random(n) < np.array(rates)[label]).astype(float), label, **changes)


def cells(of, n_labels=2, covariates=()):
    """Return the cells of a whole sample."""
    is_share = of.per is None and set(np.unique(of.values)) <= {0, 1}
    shape = Shape.RATIO if of.per is not None else Shape.SHARE if is_share else Shape.MEAN
    columns = np.column_stack([of.values, *([] if of.per is None else [of.per]), of.covariates])
    moments = Moments.of(columns, of.label, of.stratum, (n_labels, int(of.stratum.max(initial=0)) + 1))
    return Cells(moments, shape, text("method.none"), Scale.SHARE if is_share else Scale.AMOUNT, covariates)


def difference(of, plus=PLUS, minus=MINUS):
    """Return the difference of two sides at one planned look."""
    return lift.compare(of, plus, minus).absolute
