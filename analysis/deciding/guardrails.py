"""Guardrails: is a metric not worse than the control by more than its margin (non-inferiority)?

It is read off the interval of the relative lift, whose two ends each miss at most half of what the interval may miss: a
one-sided test at half of its error. The margin is a share of the control's value, and the relative lift's interval
counts how well that value is known.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.document import Row, Word
from analysis.estimate import Estimate, Holds, Scale, not_evaluable
from analysis.texts import text
from engine.metrics import Better


def limit(margin: float, better: Better) -> float:
    """Return the relative lift at which a guardrail gives way."""
    return margin if better is Better.LOWER else -margin


def word(relative: Estimate, margin: float, better: Better) -> Word:
    """Return whether a guardrail holds: its interval lies on the safe side of the limit, beyond it, or over it.

    >>> lift = Estimate(-0.01, -0.03, 0.01, 900, text("method.none"), text("method.none"), Scale.RELATIVE)
    >>> word(lift, 0.05, Better.HIGHER), word(lift, 0.02, Better.HIGHER)
    (<Word.HOLDS: 'holds'>, <Word.NOT_CLEAR: 'not clear'>)
    """
    if relative.interval is None:
        return Word.NOT_EVALUABLE
    # Towards the safe side is up.
    low, high = relative.interval if better is Better.HIGHER else (-relative.interval[1], -relative.interval[0])
    if low > -margin:
        return Word.HOLDS
    return Word.BREACHED if high < -margin else Word.NOT_CLEAR


def at_any_look(row: Row, baseline: Estimate) -> Estimate:
    """Return the relative lift of a row with an interval for all looks together; `baseline` is the control's value.

    The interval is widened as that of the difference is from its planned look to any. To first order both the
    difference and the relative lift are sums over units, and a sequence of such a sum is its standard error times a
    width that depends on n alone: so it holds in large samples, as asymptotic sequences do (Waudby-Smith et al. 2021).
    """
    relative, absolute, anytime = row.relative, row.absolute, row.anytime
    if relative is None or absolute is None or anytime is None:
        return not_evaluable(text("decision.no_sequence"), row.value.estimand, row.value.n, scale=Scale.RELATIVE)
    if relative.interval is None or relative.value is None:
        return relative
    factor = _widening(anytime, absolute)
    if factor is None:
        reason = anytime.note or absolute.note or text("decision.no_sequence")
        return not_evaluable(reason, relative.estimand, relative.n, relative.value, Scale.RELATIVE)
    if _reaches_zero(baseline, factor):
        reason = text("decision.not_identified")
        return not_evaluable(reason, relative.estimand, relative.n, scale=Scale.RELATIVE)
    return _widened(relative, relative.value, relative.interval, factor)


def is_worse_outright(row: Row, baseline: Estimate, margin: float, better: Better) -> bool:
    """Whether the difference alone, at any look, shows that a guardrail gave way.

    What never happens to the control, or no more to the variant, has no relative lift, and is the worst that can come.
    Then the least harm that the difference leaves open is held against the margin of the most that the control may be.
    Each of the two ends misses at most half of what its interval may miss.
    """
    absolute, anytime = row.absolute, row.anytime
    if absolute is None or anytime is None or anytime.interval is None or baseline.interval is None:
        return False
    factor = _widening(anytime, absolute)
    if factor is None or baseline.value is None:
        return False
    low, high = anytime.interval
    harm = low if better is Better.LOWER else -high
    most = max(abs(baseline.value + factor * (end - baseline.value)) for end in baseline.interval)
    return harm > margin * most


def _widening(anytime: Estimate, absolute: Estimate) -> float | None:
    """Return how many times as wide the interval for any look is as that for one, or None where one has none."""
    widths = [high - low for low, high in (anytime.interval or (0, 0), absolute.interval or (0, 0))]
    return max(widths[0] / widths[1], 1.0) if all(width > 0 for width in widths) else None


def _widened(relative: Estimate, value: float, interval: tuple[float, float], factor: float) -> Estimate:
    low, high = (value + factor * (end - value) for end in interval)
    method = text("decision.widened", method=relative.method)
    return replace(relative, low=low, high=high, method=method, holds=Holds.ALWAYS_IN_THE_LIMIT, p_value=None)


def _reaches_zero(baseline: Estimate, factor: float) -> bool:
    """Whether the control's value, known as well as it is at any look, may be zero."""
    if baseline.interval is None or baseline.value is None:
        return True
    low, high = (baseline.value + factor * (end - baseline.value) for end in baseline.interval)
    return low <= 0 <= high
