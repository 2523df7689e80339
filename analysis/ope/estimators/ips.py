"""Inverse propensity scoring."""

from __future__ import annotations

from analysis.ope.estimators.base import Mean, gain


class Ips(Mean):
    """V = mean of w_i r_i, with w_i = pi(a_i | x_i) / p(a_i | x_i) (Horvitz and Thompson 1952, JASA 47(260)).

    Unbiased where p(a) > 0 wherever pi(a) > 0. Of slates it is standard slate IPS, with the product of the slots'
    weights.
    """

    name = "ips"
    columns = (gain,)
