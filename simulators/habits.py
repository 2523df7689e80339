"""What the customers of the storefront do: the table of rates that only simulators read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

SEGMENTS = ("newcomer", "phone", "desktop", "member")
"""On a plan: member; else on the first visit: newcomer; else by device."""

LOST = 0.03
"""The share of outcomes that happen and are never told."""

HIGHEST_RATE = 0.95
"""No rate is higher, whatever the lifts."""

BySegment = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Habit:
    """How often a visit of each segment brings an outcome, and after how long on average (exponentially).

    Outcomes of one `event` happen together. `amount` is the mean of revenue (exponential), and 0 for a conversion.
    """

    event: str
    rates: BySegment
    delay: timedelta
    of_unit: bool = False
    amount: float = 0.0


def _by_segment(newcomer: float, phone: float, desktop: float, member: float) -> BySegment:
    return dict(zip(SEGMENTS, (newcomer, phone, desktop, member), strict=True))


_ORDERS = _by_segment(0.040, 0.050, 0.065, 0.100)

HABITS: Mapping[str, Habit] = {
    "click": Habit("click", _by_segment(0.10, 0.10, 0.11, 0.13), timedelta(minutes=4)),
    "row-click": Habit("row-click", _by_segment(0.10, 0.10, 0.11, 0.13), timedelta(minutes=3)),
    "purchase": Habit("purchase", _by_segment(0.04, 0.05, 0.05, 0.07), timedelta(hours=10)),
    "signup": Habit("signup", _by_segment(0.07, 0.06, 0.06, 0.04), timedelta(hours=1), of_unit=True),
    "order": Habit("order", _ORDERS, timedelta(hours=8), of_unit=True),
    "revenue": Habit("order", _ORDERS, timedelta(hours=8), of_unit=True, amount=60.0),
}
"""By outcome."""

LIFTS: Mapping[str, BySegment] = {
    # product-page-trust
    "plain": _by_segment(1.00, 1.00, 1.00, 1.00),
    "returns": _by_segment(1.10, 1.05, 1.05, 1.00),
    "reviews": _by_segment(1.45, 1.30, 1.25, 1.15),
    # signup-banner
    "headline=plain": _by_segment(1.00, 1.00, 1.00, 1.00),
    "headline=benefit": _by_segment(1.25, 1.25, 1.25, 1.25),
    "image=none": _by_segment(1.00, 1.00, 1.00, 1.00),
    "image=product": _by_segment(1.05, 1.05, 1.05, 1.05),
    "image=people": _by_segment(1.20, 1.20, 1.20, 1.20),
    # search-row
    "bestsellers": _by_segment(1.00, 1.00, 1.00, 1.00),
    "new-arrivals": _by_segment(0.80, 0.80, 0.80, 0.90),
    "on-sale": _by_segment(1.10, 1.10, 1.10, 1.00),
    "recently-viewed": _by_segment(1.30, 1.40, 1.40, 1.40),
    # home-offer
    "general": _by_segment(1.00, 1.00, 1.00, 1.00),
    "welcome": _by_segment(2.20, 0.80, 0.70, 0.40),
    "quick": _by_segment(0.80, 2.00, 0.60, 0.90),
    "bundle": _by_segment(0.80, 0.70, 2.00, 1.00),
    "loyalty": _by_segment(0.50, 0.80, 0.80, 2.20),
}
"""By variant, or by factor and level: what it multiplies a segment's rates by; the lifts of levels multiply."""
