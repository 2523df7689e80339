"""Asymptotic confidence sequences: an interval that holds at all looks together, in large samples.

Any estimate that is nearly normal can be made one, because only its value, its standard error and n are needed.
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (arXiv 2103.06476), equation 9.
"""

from __future__ import annotations

import math

from scipy import special

from analysis.estimate import Estimate, error_rate
from engine.experiments import Plan

N_TIGHTEST = 10_000
"""Where the sequence is tightest if no number of units is planned. Far beyond it the price grows slowly, as the root of
a logarithm, and far below it quickly: so it is rather too small than too large."""


def tightest(plan: Plan) -> int:
    """Return the number of units at which a plan's sequences are tightest: declared, never chosen from the data."""
    return plan.n_units or N_TIGHTEST


def sequence(value: float, standard_error: float, n: int, n_tightest: int, alpha: float) -> tuple[float, float]:
    """Return low and high of the sequence after n units, which misses at any look in a share `alpha` of samples.

    `n_tightest` and `alpha` are declared before the data; `n` counts all units so far, compared or not.

    >>> low, high = sequence(0.02, 0.004, 10_000, 10_000, 0.05)
    >>> round(low, 4), round(high, 4)
    (0.0079, 0.0321)
    """
    half = standard_error * factor(n, n_tightest, alpha)
    return value - half, value + half


def factor(n: float, n_tightest: int, alpha: float) -> float:
    """Return how many standard errors the sequence reaches to each side after n units.

    >>> round(factor(10_000, 10_000, 0.05) / 1.959964, 2)  # the price at n_tightest over one planned look
    1.55
    """
    v = n * _rho_squared(n_tightest, alpha)
    return math.sqrt((1 + 1 / v) * (math.log1p(v) - 2 * math.log(alpha)))


def p_value(value: float, standard_error: float, n: int, n_tightest: int, alpha: float) -> float:
    """Return the least error at which the sequence tuned for `alpha` leaves out 0: below `alpha` just when it does so.

    >>> round(p_value(0.02, 0.004, 10_000, 10_000, 0.05), 6)
    4.5e-05
    """
    v = n * _rho_squared(n_tightest, alpha)
    z = value / standard_error
    return math.exp(min(0.0, (math.log1p(v) - z * z * v / (1 + v)) / 2))


def standard_error(fixed: Estimate) -> float | None:
    """Return the standard error behind an interval for one planned look, or None where it has none.

    It is half its width in units of the normal quantile: whatever the interval adds for small samples, this keeps.

    >>> from analysis.texts import text
    >>> round(standard_error(Estimate(0.0, -1.96, 1.96, 50, text("method.none"), text("method.none"))), 4)
    1.0
    """
    if fixed.interval is None:
        return None
    low, high = fixed.interval
    error = (high - low) / (-2 * float(special.ndtri(error_rate(fixed.level, fixed.family) / 2)))
    return error if error > 0 else None


def _rho_squared(n_tightest: int, alpha: float) -> float:
    """The mixture's variance for the least width at n_tightest."""
    spent = -2 * math.log(alpha)
    return (spent + math.log1p(spent)) / n_tightest
