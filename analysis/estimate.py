"""What an estimate is: a value with its interval, its method, its estimand and what it is valid under."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from analysis.texts import Text, text

LEVEL = 0.95
"""The confidence level of every interval."""


class Validity(Enum):
    """Whether an estimate may be read as what its estimand says."""

    VALID = "valid"
    NAIVE = "naive"
    FORCED = "forced"
    """Asked for although the log does not bear it out."""
    NOT_EVALUABLE = "not evaluable"


class Scale(Enum):
    """What an estimate measures, which is how its numbers are written."""

    AMOUNT = "amount"
    SHARE = "share"
    DIFFERENCE = "difference"
    """A difference of amounts."""
    POINTS = "points"
    """A difference of shares, shown in percentage points."""
    RELATIVE = "relative"
    """A difference as a share of what it is compared with."""

    @property
    def difference(self) -> Scale:
        """The scale of a difference of two values of this scale."""
        return {Scale.AMOUNT: Scale.DIFFERENCE, Scale.SHARE: Scale.POINTS}.get(self, self)


class Holds(Enum):
    """When an interval has its coverage."""

    ONCE = "once"
    """At one look that was planned beforehand."""
    PLANNED = "planned"
    """At all the planned looks together."""
    ALWAYS = "always"
    """At all looks together, whenever they are."""
    ALWAYS_IN_THE_LIMIT = "always_in_the_limit"
    """At all looks together, in large samples (an asymptotic sequence)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval from `n` units or assignments; never NaN or infinite.

    `level` is the confidence that all `family` intervals of its kind hold together. Without an interval `low` and
    `high` are None; where nothing can be said `value` is None too, and `note` says why. `p_value` belongs to the
    hypothesis of no difference, for one comparison alone (no multiplicity), valid when the interval is.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: Text
    estimand: Text
    scale: Scale = Scale.AMOUNT
    validity: Validity = Validity.VALID
    note: Text | None = None
    level: float = LEVEL
    family: int = 1
    holds: Holds = Holds.ONCE
    p_value: float | None = None

    def __post_init__(self) -> None:
        numbers = [number for number in (self.value, self.low, self.high, self.p_value) if number is not None]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"an estimate is finite or not evaluable, and this is {numbers}")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, or None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def not_evaluable(
    reason: Text, estimand: Text, n: int = 0, value: float | None = None, scale: Scale = Scale.AMOUNT
) -> Estimate:
    """Return an estimate without an interval, with the reason in words."""
    method = text("method.none")
    return Estimate(value, None, None, n, method, estimand, scale, Validity.NOT_EVALUABLE, reason)


def error_rate(level: float, family: int) -> float:
    """Return the error that each of `family` intervals may make so that all hold together at `level` (Bonferroni).

    >>> round(error_rate(0.95, 2), 6)
    0.025
    """
    return (1 - level) / family
