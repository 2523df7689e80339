"""Logs of several loggers: policies that drew side by side, or one after the other, each draw numbered by its own.

Agarwal, Basu, Schnabel and Joachims (2017, Effective evaluation using logged bandit feedback from multiple loggers,
KDD 23) and Kallus, Saito and Uehara (2021, Optimal off-policy evaluation from multiple logging policies, ICML 38). With
n_j of n draws by logger j, whose distributions are p_j:

- naive: each draw is weighted by its own logger's propensity, which is how any log comes in. Valid whoever drew when,
  where each of them supports the target: the value is over the contexts of all draws. One logger that hardly ever draws
  what the target does spoils it;
- `balanced`: by that of the mixture, sum_j n_j / n p_j(a). Never noisier than naive IPS in theory, and it needs support
  by one of the loggers alone. Valid where all loggers saw contexts of one kind (side by side, or in a world that does
  not drift), and what each would have drawn at every draw is known;
- `ByLogger`: the loggers' estimates by their inverse variance. Valid where all loggers saw contexts of one kind and
  each of them supports the target; its weights are estimated, so it is biased by 1 / n, and more where a logger has
  seen few rewards.

A control share is a second logger, which draws the control with probability 1: see `with_control_share`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.arrays import Floats, distinct
from analysis.ope.estimators.base import Estimator
from analysis.ope.logged import Logged
from analysis.ope.totals import Totals, standard_error
from analysis.ope.weighed import Weighed
from engine.errors import InvalidRequest


def balanced(log: Logged, probabilities: Floats, shares: Floats | None = None) -> Logged:
    """Return a log with the propensities of the loggers' mixture, from what each gives the drawn variant, (n, j).

    `shares` (j,) are those of all draws by logger; without them they are counted here, so that a log in blocks needs
    them. The log has no whole distributions any more: those of the mixture are in no log.

    Raises:
        InvalidRequest: a draw's own logger does not give it the logged propensity.

    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.1, 0.5]))
    >>> log = replace(log, logger=np.array([0, 1]))
    >>> balanced(log, np.array([[0.1, 0.5], [0.9, 0.5]])).propensity.tolist()
    [0.3, 0.7]
    """
    n, n_loggers = probabilities.shape
    _check(log, probabilities[np.arange(n), log.logger])
    counted = np.bincount(log.logger, minlength=n_loggers) / max(n, 1)
    return replace(log, propensity=probabilities @ (counted if shares is None else shares), pattern=None, patterns=None)


def with_control_share(log: Logged, policy: Floats, share: float, control: int) -> Logged:
    """Return the draws of a policy's group and of the control group as those of one policy: share at the control.

    `policy` (n, k) is what the policy's group would have drawn from at every draw: the logged distribution where it is
    a policy's, and recomputed where it is the control group's, of which no log has it. `share` is the chance of the
    control group, which is `logger` 1 and not 0, and `control` the place of its variant. A target's weight at the
    control is then at most 1 / share, however little the policy draws it.

    Valid where units fall into the group by chance alone and both groups' draws are in the log: then each draw is one
    of the mixture share * 1{a = control} + (1 - share) * p(a), whole distributions included. The mean is over all
    units, as many draws as each makes; errors are by unit, because a unit keeps its group.

    Raises:
        InvalidRequest: one of the groups is not in the log, or the policy does not give a draw its logged propensity.

    A fifth of the units always gets the control, a; the policy hardly ever draws it:

    >>> log = Logged.of(("a", "b"), np.array([1, 0]), np.array([1.0, 0.0]), np.array([0.99, 1.0]))
    >>> log = replace(log, logger=np.array([0, 1]))
    >>> found = with_control_share(log, np.tile([0.01, 0.99], (2, 1)), share=0.2, control=0)
    >>> found.propensity.round(3).tolist()
    [0.792, 0.208]
    """
    if set(distinct(log.logger).tolist()) != {0, 1}:
        raise InvalidRequest("a log with a control share has draws of loggers 0 and 1: read it by ope.with_control")
    of_control = np.zeros(log.k)
    of_control[control] = 1
    drawn = np.arange(len(log)), log.variant
    _check(log, np.where(log.logger == 1, of_control[log.variant], policy[drawn]))
    mixture = share * of_control + (1 - share) * policy
    return replace(
        log,
        propensity=mixture[drawn],
        pattern=np.arange(len(log)),
        patterns=mixture,
        eligible=None,
        logger=np.zeros_like(log.logger),
    )


def _check(log: Logged, own: Floats) -> None:
    if len(wrong := np.flatnonzero(~np.isclose(own, log.propensity, rtol=1e-6, atol=0))):
        row = int(log.row[wrong[0]])
        raise InvalidRequest(
            f"{len(wrong)} draws were not drawn by their logger's probabilities, the first in row {row}: "
            "give what each logger gives the drawn variant"
        )


@dataclass(slots=True)
class ByLogger:
    """Gathers one estimator by logger, block by block; those of two logs add up.

    >>> from analysis.ope.estimators.ips import Ips
    >>> from analysis.ope.weighed import weighed
    >>> reward = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    >>> log = Logged.of(("a", "b"), np.arange(8) % 2, reward, np.full(8, 0.5))
    >>> found = ByLogger(Ips())
    >>> found.add(weighed(replace(log, logger=np.arange(8) // 4), np.tile([1.0, 0.0], (8, 1))))
    >>> [round(number, 2) for number in found.estimate()]  # of .5 and 1, with errors of .5 and .58
    [0.71, 0.38]
    """

    estimator: Estimator
    totals: dict[int, Totals] = field(default_factory=dict)

    def add(self, part: Weighed) -> None:
        """Take in some draws."""
        for logger in distinct(part.logger).tolist():
            own = part[part.logger == logger]
            self._gather({logger: Totals.of(self.estimator.terms(own), own.unit)})

    def __add__(self, other: ByLogger) -> ByLogger:
        both = ByLogger(self.estimator, dict(self.totals))
        both._gather(other.totals)
        return both

    def estimate(self) -> tuple[float, float]:
        """Return sum_j V_j / s_j**2 / sum_j 1 / s_j**2, with s_j the loggers' standard errors, and its standard error.

        Both are NaN where some logger's draws say nothing of its error: few, or all alike. Units that met several
        loggers are taken for different ones.
        """
        values = np.array([self.estimator.value(each.mean) for each in self.totals.values()])
        errors = np.array([standard_error(each, self.estimator) for each in self.totals.values()])
        if not len(values) or not (errors > 0).all():
            return math.nan, math.nan
        weights = errors**-2.0
        return float(values @ weights / weights.sum()), float(weights.sum() ** -0.5)

    def _gather(self, found: Mapping[int, Totals]) -> None:
        for logger, totals in found.items():
            self.totals[logger] = self.totals[logger] + totals if logger in self.totals else totals
