"""What the runs of a cell come to, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from covering.running import Run

from analysis.lifts.intervals import wilson

LEAST = 0.94
"""The least coverage of an interval that is read once, within three standard errors of the simulation."""
MOST = 0.05
"""The largest share of logs in which an interval misses at any look: the lower bound of its Wilson interval."""
NEAR = 0.01
"""By what share of looks refusals may be more frequent than theory has them: some logs look broken by chance."""


@dataclass(frozen=True)
class Judged:
    """A cell's table row. Shares are of runs, `evaluable` and `allowed` of looks; `error` is that of `coverage`.

    `coverage` is among the runs of which something was said; in `strict`, not to say anything at the last look is a
    miss as well. `why` is what failed, or empty.
    """

    name: str
    estimator: str
    n_runs: int
    n_looks: int
    evaluable: float
    allowed: float
    coverage: float
    error: float
    strict: float
    width: float
    naive_width: float
    naive_coverage: float
    why: str


def judged(name: str, runs: Sequence[Run]) -> Judged:
    """Return what a cell's runs come to."""
    said = [run for run in runs if run.n_evaluable]
    misses, n = sum(run.misses for run in said), len(said)
    coverage = 1 - misses / max(n, 1)
    widths = [run.width for run in runs if run.width is not None]
    return Judged(
        name,
        Counter(run.method for run in said).most_common(1)[0][0] if said else "none",
        len(runs),
        runs[0].n_looks,
        sum(run.n_evaluable for run in runs) / sum(run.n_looks for run in runs),
        sum(run.n_allowed for run in runs) / sum(run.n_looks for run in runs),
        coverage,
        float(np.sqrt(coverage * (1 - coverage) / max(n, 1))),
        float(np.mean([run.width is not None and not run.misses for run in runs])),
        float(np.mean(widths)) if widths else float("nan"),
        float(np.mean([run.naive_width for run in runs])),
        float(np.mean([not run.naive_misses for run in runs])),
        _why(runs, misses, n),
    )


def _why(runs: Sequence[Run], misses: int, n: int) -> str:
    if not n:
        return "nothing is ever said"
    if refuses(runs):
        return "refuses more often than theory asks for"
    if runs[0].n_looks == 1:
        return "" if covers(misses, n) else f"covers less than {LEAST:.0%}"
    return "" if holds(misses, n) else f"misses more often than {MOST:.0%}"


def covers(misses: int, n: int) -> bool:
    """Whether intervals that are read once cover often enough.

    >>> covers(240, 4_000), covers(290, 4_000)
    (True, False)
    """
    return bool(1 - misses / n >= LEAST - 3 * np.sqrt(LEAST * (1 - LEAST) / n))


def holds(misses: int, n: int, most: float = MOST) -> bool:
    """Whether so many misses are no more than `most` allows.

    >>> holds(60, 1_000), holds(70, 1_000)
    (True, False)
    """
    low, _ = wilson(np.array(misses / n), np.array(n), 0.05)
    return bool(low <= most)


def refuses(runs: Sequence[Run]) -> bool:
    """Whether less is said than theory allows, by more than luck and the approximation explain."""
    lacking = np.array([(run.n_allowed - run.n_evaluable) / run.n_looks for run in runs])
    return bool(lacking.mean() > NEAR + 3 * lacking.std() / np.sqrt(len(lacking)))
