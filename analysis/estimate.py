"""What an estimate is: a value with its interval, its method, its estimand and what it is valid under."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

LEVEL = 0.95
"""The confidence level of every interval."""


class Validity(Enum):
    """Whether an estimate may be read as what its estimand says."""

    VALID = "valid"
    NAIVE = "naive"
    NOT_EVALUABLE = "not evaluable"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval from `n` units or assignments; never NaN or infinite.

    `level` is the confidence that all `family` intervals of its kind hold together. Without an interval `low` and
    `high` are None; where nothing can be said `value` is None too, and `note` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    estimand: str
    validity: Validity = Validity.VALID
    note: str = ""
    level: float = LEVEL
    family: int = 1

    def __post_init__(self) -> None:
        numbers = [number for number in (self.value, self.low, self.high) if number is not None]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"an estimate is finite or not evaluable, and this is {numbers}")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, or None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def not_evaluable(reason: str, estimand: str, n: int = 0, value: float | None = None) -> Estimate:
    """Return an estimate without an interval, with the reason in words.

    >>> not_evaluable("nobody was there", "mean").note
    'nobody was there'
    """
    return Estimate(value, None, None, n, "none", estimand, Validity.NOT_EVALUABLE, reason)


def error_rate(level: float, family: int) -> float:
    """Return the error that each of `family` intervals may make so that all hold together at `level` (Bonferroni).

    >>> round(error_rate(0.95, 2), 6)
    0.025
    """
    return (1 - level) / family
