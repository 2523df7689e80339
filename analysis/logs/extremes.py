"""Large values: where they are cut as declared."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from engine.metrics import Metric


def cut(metric: Metric, values: Floats) -> float | None:
    """Return the most that a subject can bring, or None: the declared cap, or the declared quantile of all subjects.

    `values` (n,) are of all variants together, so that the cut is the same for all of them. The quantile is the least
    value that at least so large a share does not exceed.

    >>> from engine.metrics import MetricKind
    >>> spent = np.array([0.0, 3.0, 5.0, 900.0])
    >>> cut(Metric("spend", MetricKind.REVENUE, winsor=0.75), spent)
    5.0
    """
    cuts = [] if metric.cap is None else [metric.cap]
    if metric.winsor is not None and len(values):
        cuts.append(float(np.quantile(values, metric.winsor, method="inverted_cdf")))
    return min(cuts, default=None)


def below(values: Floats, most: float | None) -> Floats:
    """Return values of at most `most`; the same array where nothing is to be cut.

    >>> below(np.array([1.0, 7.0]), 5.0).tolist()
    [1.0, 5.0]
    """
    return values if most is None else np.minimum(values, most)
