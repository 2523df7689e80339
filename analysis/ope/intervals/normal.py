"""The normal interval of a mean (delta method): right for large samples whose scores are not skewed."""

from __future__ import annotations

from scipy import special


def interval(value: float, standard_error: float, alpha: float) -> tuple[float, float]:
    """Return low and high, which together miss a share `alpha` of large samples.

    >>> [round(end, 3) for end in interval(1.0, 0.1, 0.05)]
    [0.804, 1.196]
    """
    reach = -float(special.ndtri(alpha / 2)) * standard_error
    return value - reach, value + reach


def p_value(value: float, standard_error: float) -> float:
    """Return the least `alpha` at which the interval leaves 0 out; the standard error is above 0."""
    return 2 * float(special.ndtr(-abs(value) / standard_error))
