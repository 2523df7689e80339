"""A metric's moments after the first subjects, at several looks, each row counted once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.lifts.cells import Cells
from analysis.lifts.moments import Moments
from analysis.logs.metrics import Sample


def cumulative(sample: Sample, cells: Cells, ends: Ints) -> Iterator[Cells]:
    """Yield the cells of the first `ends` (n_looks,) subjects, ascending; `cells` are those of the whole sample.

    The moments between two looks are gathered once and merged, so that a look costs no more than its cells.
    """
    n_labels, n_strata = cells.moments.n.shape
    parts = _parts(sample, ends, n_labels, n_strata)
    so_far = parts[0]
    for place in range(len(ends)):
        so_far = so_far + parts[place] if place else so_far
        yield replace(cells, moments=so_far)


def _parts(sample: Sample, ends: Ints, n_labels: int, n_strata: int) -> list[Moments]:
    """The moments of the subjects between each look and the one before."""
    index = np.arange(int(ends[-1]))
    look = np.searchsorted(ends, index, side="right")
    stratum = sample.stratum[index] if n_strata > 1 else np.zeros(len(index), np.int64)
    whole = Moments.of(
        _columns(sample)[index], sample.label[index], look * n_strata + stratum, (n_labels, len(ends) * n_strata)
    )
    chosen = [slice(place * n_strata, (place + 1) * n_strata) for place in range(len(ends))]
    return [Moments(whole.n[:, one], whole.mean[:, one], whole.m2[:, one]) for one in chosen]


def _columns(sample: Sample) -> Floats:
    """The columns of cells, (n, k): the value, what is below the line of a ratio, the covariates."""
    below = [] if sample.per is None else [sample.per]
    return np.column_stack([sample.values, *below, sample.covariates])
