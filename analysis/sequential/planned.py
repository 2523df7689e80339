"""Group-sequential looks at a fixed design: evenly spaced, declared beforehand, and corrected for together.

The report shows the latest planned look whose subjects have all come, with the repeated confidence interval (Jennison
and Turnbull 1989): the estimate and its standard error times the boundary's critical value of that look. It is the
first one at which the boundary was crossed, where there is one: what came after that was not needed for the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from analysis.arrays import Ints
from analysis.estimate import Estimate, Holds, error_rate, not_evaluable
from analysis.lifts.cells import Cells
from analysis.lifts.comparison import Comparison
from analysis.logs.metrics import Sample
from analysis.sequential import asymptotic, boundaries, looks
from analysis.texts import count, text
from engine.experiments import Looking, Plan


@dataclass(frozen=True, slots=True)
class Look:
    """The number of a planned look, from 1, or 0 before the first; and the first `n` subjects that it counts."""

    number: int
    n: int


def n_looks(plan: Plan) -> int:
    """Return how many planned looks an interval has to hold at together."""
    return plan.looks if plan.looking is Looking.PLANNED else 1


def shared(found: Estimate, looks: int) -> Estimate:
    """Return an interval whose error was shared among several looks (Bonferroni), saying so; one look as it is."""
    if looks == 1 or found.interval is None:
        return found
    return replace(found, method=text("adaptive.looks", method=found.method, n=count(looks)), holds=Holds.PLANNED)


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
    number = look_at(len(sample), plan).number
    if not number:
        return _nothing_yet(sample, plan, compare(cells))
    found = [compare(part) for part in looks.cumulative(sample, cells, _ends(plan)[:number])]
    reached = _reached(found, len(sample), plan)
    return _repeated(found[reached.place], reached, plan)


def comparison(sample: Sample, cells: Cells, plan: Plan, compare: Callable[[Cells], Comparison]) -> Comparison:
    """Return a lift with repeated intervals, all of it as it was at the look that its difference has reached."""
    number = look_at(len(sample), plan).number
    if not number:
        whole = compare(cells)
        return Comparison(_nothing_yet(sample, plan, whole.absolute), _nothing_yet(sample, plan, whole.relative))
    found = [compare(part) for part in looks.cumulative(sample, cells, _ends(plan)[:number])]
    reached = _reached([one.absolute for one in found], len(sample), plan)
    there = found[reached.place]
    plain = there.plain and _widened(there.plain, reached, plan)
    return Comparison(_repeated(there.absolute, reached, plan), _widened(there.relative, reached, plan), plain)


@dataclass(frozen=True, slots=True)
class _Reached:
    """The look that a comparison has reached, from 0, with its critical value, the p-value, and who came later."""

    place: int
    critical: float
    p_value: float
    n_later: int


def _reached(found: Sequence[Estimate], n: int, plan: Plan) -> _Reached:
    """Return the first of the looks at which the boundary was crossed, or the last of them."""
    alpha = error_rate(found[-1].level, found[-1].family)
    critical = boundaries.critical(plan.boundary, plan.looks, alpha)
    z = [_standardised(one) for one in found]
    crossed = [abs(one) >= limit for one, limit in zip(z, critical, strict=False)]
    place = crossed.index(True) if any(crossed) else len(found) - 1
    constant = max(abs(one) / many for one, many in zip(z[: place + 1], _shape(plan), strict=False))
    p_value = boundaries.crossing(plan.boundary, plan.looks, constant)
    return _Reached(place, float(critical[place]), min(max(p_value, 0.0), 1.0), n - int(_ends(plan)[place]))


def _repeated(found: Estimate, reached: _Reached, plan: Plan) -> Estimate:
    error = asymptotic.standard_error(found)
    if error is None or found.value is None:
        return found
    half = reached.critical * error
    there = replace(found, low=found.value - half, high=found.value + half, p_value=reached.p_value)
    return _at_look(there, reached, plan)


def _widened(found: Estimate, reached: _Reached, plan: Plan) -> Estimate:
    """Return an interval with its ends as much further out as the boundary is, which keeps it as uneven as it is."""
    if found.interval is None or found.value is None:
        return found
    factor = reached.critical / float(-special.ndtri(error_rate(found.level, found.family) / 2))
    low, high = (found.value + factor * (end - found.value) for end in found.interval)
    return _at_look(replace(found, low=low, high=high, p_value=None), reached, plan)


def _at_look(found: Estimate, reached: _Reached, plan: Plan) -> Estimate:
    n, looks_in_all = count(reached.place + 1), count(plan.looks)
    method = text(f"sequence.{plan.boundary.value}", method=found.method, n=n, looks=looks_in_all)
    later = text("sequence.later", n=count(reached.n_later)) if reached.n_later else None
    return replace(found, method=method, holds=Holds.PLANNED, note=found.note or later)


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
