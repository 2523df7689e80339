"""The doubly robust estimator."""

from __future__ import annotations

from analysis.ope.estimators.base import Mean, score


class Dr(Mean):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + w_i (r_i - q(x_i, a_i)) (Dudik, Langford and Li 2011, ICML).

    Unbiased whatever the model q is, because no q has seen the draw that it predicts; the better q, the narrower.
    """

    name = "dr"
    columns = (score,)
    is_modelled = True
