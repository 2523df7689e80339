"""Group-sequential looks at a fixed design: evenly spaced, declared beforehand, and corrected for together.

The report shows the latest planned look whose subjects have all come, with the repeated confidence interval (Jennison
and Turnbull 1989): the estimate and its standard error times the boundary's critical value of that look. It is the
first one at which the boundary was crossed, where there is one: what came after that was not needed for the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Ints
from analysis.estimate import Estimate, Holds, error_rate, not_evaluable
from analysis.lifts.cells import Cells
from analysis.logs.metrics import Sample
from analysis.sequential import asymptotic, boundaries, looks
from analysis.texts import count, text
from engine.experiments import Plan


@dataclass(frozen=True, slots=True)
class Look:
    """The number of a planned look, from 1, or 0 before the first; and the first `n` subjects that it counts."""

    number: int
    n: int


def look_at(n: int, plan: Plan) -> Look:
    """Return the latest planned look that n subjects complete; the plan has a number of units.

    >>> look_at(4_900, Plan(looks=5, n_units=10_000))
    Look(number=2, n=4000)
    """
    ends = _ends(plan)
    number = int(np.searchsorted(ends, n, side="right"))
    return Look(number, int(ends[number - 1]) if number else 0)


def estimate(sample: Sample, cells: Cells, plan: Plan, compare: Callable[[Cells], Estimate]) -> Estimate:
    """Return a difference with its repeated interval, for all planned looks together.

    `cells` are those of the whole sample; `compare` gives the difference of some cells at one planned look.
    """
    look = look_at(len(sample), plan)
    whole = compare(cells)
    if not look.number:
        return _nothing_yet(sample, plan, whole)
    found = [compare(part) for part in looks.cumulative(sample, cells, _ends(plan)[: look.number])]
    alpha = error_rate(whole.level, whole.family)
    critical = boundaries.critical(plan.boundary, plan.looks, alpha)
    z = [_standardised(one) for one in found]
    crossed = [abs(one) >= limit for one, limit in zip(z, critical, strict=False)]
    place = crossed.index(True) if any(crossed) else look.number - 1
    constant = max(abs(one) / many for one, many in zip(z[: place + 1], _shape(plan), strict=False))
    p_value = boundaries.crossing(plan.boundary, plan.looks, constant)
    return _repeated(found[place], place, float(critical[place]), p_value, plan)


def _repeated(found: Estimate, place: int, critical: float, p_value: float, plan: Plan) -> Estimate:
    error = asymptotic.standard_error(found)
    if error is None or found.value is None:
        return found
    return replace(
        found,
        low=found.value - critical * error,
        high=found.value + critical * error,
        method=text(
            f"sequence.{plan.boundary.value}", method=found.method, n=count(place + 1), looks=count(plan.looks)
        ),
        holds=Holds.PLANNED,
        p_value=min(max(p_value, 0.0), 1.0),
    )


def _nothing_yet(sample: Sample, plan: Plan, whole: Estimate) -> Estimate:
    reason = text("sequence.before_first_look", n=count(len(sample)), first=count(int(_ends(plan)[0])))
    return not_evaluable(reason, whole.estimand, whole.n, scale=whole.scale)


def _ends(plan: Plan) -> Ints:
    """How many subjects each look counts, (looks,)."""
    return -(-plan.n_units * np.arange(1, plan.looks + 1) // plan.looks)


def _shape(plan: Plan) -> list[float]:
    return [float(one) for one in boundaries.shape(plan.boundary, plan.looks)]


def _standardised(found: Estimate) -> float:
    error = asymptotic.standard_error(found)
    return 0.0 if error is None or found.value is None else found.value / error
