"""Cells of a metric from plain lists of numbers."""

import numpy as np

from analysis.estimate import Scale
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments
from analysis.texts import text

ESTIMAND = text("method.none")


def shares(successes, n):
    return np.repeat([1.0, 0.0], [successes, n - successes])


def cells(groups, shape=Shape.MEAN, strata=None, covariates=()):
    """Return cells of groups by variant, each (n,) or (n, k): the value, what is below the line, the covariates."""
    columns = np.concatenate([np.asarray(group, float).reshape(len(group), -1) for group in groups if len(group)])
    label = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return of_columns(
        columns, label, None if strata is None else np.concatenate(strata), len(groups), shape, covariates
    )


def of_columns(columns, label, stratum=None, n_variants=2, shape=Shape.MEAN, covariates=()):
    stratum = np.zeros(len(columns), np.int64) if stratum is None else stratum
    moments = Moments.of(columns, label, stratum, (n_variants, int(stratum.max(initial=0)) + 1))
    scale = Scale.SHARE if shape is Shape.SHARE else Scale.AMOUNT
    return Cells(moments, shape, ESTIMAND, scale, tuple(covariates))
