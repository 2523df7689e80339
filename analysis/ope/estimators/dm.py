"""The direct method."""

from __future__ import annotations

from analysis.ope.estimators.base import Mean, expected


class Dm(Mean):
    """V = mean of sum_a pi(a | x_i) q(x_i, a): what a model of the reward says, uncorrected.

    As biased as the model q (Beygelzimer and Langford 2009, KDD), by how much the log does not say; its spread over
    draws leaves out the model's own error.
    """

    name = "dm"
    columns = (expected,)
    is_biased = True
    is_modelled = True
