"""The lift of a variant with an interval that holds at any look, over the scores, whose noise is a martingale.

The rule, of what is declared alone: where the metric has a declared range, the floor bounds 1 / p, and the plan has at
least 250 rows for each unit of that bound, a betting sequence (`sequential.betting`; the lift may drift, and the draws
be adaptive). At the planned end it is 1.1 times as wide as the asymptotic one for rates of .1 and up to 1.4 for .01, at
a third of the way twice as wide. Otherwise an asymptotic one, silent until each side has enough effective outcomes.

Asymptotic: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476) show it for martingales with means and
variances that change (their Lindeberg-type theorem), as long as time is measured by the variance that has come
together. Here that is the sum of squared deviations of the scores, in units of what one row brought when the sequence
first spoke. While the variances stay as they were then, that is the number of rows; when the policy starves a variant,
it runs faster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.adaptive import estimates
from analysis.adaptive.scored import Part, Scored
from analysis.arrays import Floats, Ints
from analysis.document import Band, Trajectory
from analysis.estimate import Estimate, Holds, error_rate, not_evaluable
from analysis.logs import timeline
from analysis.sequential import asymptotic, betting, choice
from analysis.texts import count, text

ROWS_PER_BOUND = 250
"""So many rows must be planned for each unit of the bound on 1 / p for bets to be worth it."""

_ROUNDING = 1e-6
"""By what share quantising may take a probability below its floor."""


@dataclass(frozen=True, slots=True)
class _Course:
    """Cumulative values at several looks, (n_looks,): mean score, standard error, effective outcomes, and the time."""

    mean: Floats
    error: Floats
    events: Floats
    time: Floats


def anytime(found: Scored, variant: int, other: int, family: int = 1) -> Estimate:
    """Return the difference of two variants with an interval that holds at any look; `family` hold together."""
    part = found.against(variant, other)
    return at(found, part, np.array([len(part.scores)]), family)[0]


def over_time(found: Scored) -> Trajectory | None:
    """Return the lift of each variant over the control as it came to be known, or None for a single stretch of time."""
    at = found.assigned_at
    spread = timeline.stretches(at) if len(at) else None
    if spread is None or len(spread) < 2:
        return None
    others = [place for place in range(len(found.frame.variants)) if place != found.frame.control]
    return Trajectory(
        text("adaptive.over_time"),
        text("adaptive.over_time_caption"),
        spread.starts,
        spread.step_s,
        tuple(_band(found, place, spread.index, len(spread), found.family) for place in others),
        estimates.scale_of(found).difference,
        reference=0.0,
    )


def _band(found: Scored, variant: int, stretch: Ints, n_stretches: int, family: int) -> Band:
    part = found.against(variant, found.frame.control)
    index = stretch[found.drawn.could_be(part.compared)]
    # A row that is out of order in time counts with the latest stretch before it, as the log has it.
    ends = np.searchsorted(np.maximum.accumulate(index), np.arange(n_stretches), side="right")
    n_empty = int((ends == 0).sum())
    looks = at(found, part, ends[n_empty:], family) if n_empty < n_stretches else []
    shown = [(None, None, None)] * n_empty + [
        (at.value, at.low, at.high) if at.interval else (None, None, None) for at in looks
    ]
    values, low, high = zip(*shown, strict=True)
    return Band(found.frame.variants[variant], values, low, high)


def at(found: Scored, part: Part, ends: Ints, family: int = 1) -> list[Estimate]:
    """Return the difference after the first `ends` (n_looks,) rows of a part, ascending, each with its sequence."""
    blank = estimates.difference(found, part, family)
    if blank.value is None:
        return [blank] * len(ends)
    bound = _bound(found, part)
    if bound is not None:
        return _bet(found, part, ends, blank, bound)
    return _limits(found, part, ends, blank)


def _bound(found: Scored, part: Part) -> float | None:
    """Return the declared bound of 1 / p if the rule asks for bets, else None."""
    experiment = found.frame.experiment
    least = experiment.policy.floor / len(experiment.variants)
    if not _is_bounded(found) or _watched(found).n_planned * least < ROWS_PER_BOUND:
        return None
    is_used = np.bincount(part.drawn.pattern, minlength=len(part.drawn.patterns)) > 0
    seen = part.drawn.patterns[is_used][:, part.compared].min()
    # An earlier epoch may have had a lower floor.
    return None if seen < least * (1 - _ROUNDING) else 1 / least / (1 - _ROUNDING)


def _is_bounded(found: Scored) -> bool:
    """Whether values have a declared range that all of them and the models keep to."""
    bounds = choice.value_range(found.metric)
    if bounds is None or found.metric.winsor is not None or not len(found.drawn):
        return False
    held = (found.drawn.values, found.predicted)
    return all(bounds[0] <= values.min() and values.max() <= bounds[1] for values in held)


def _watched(found: Scored) -> choice.Watched:
    return choice.Watched(found.sample, found.metric, found.frame.experiment.plan)


def _bet(found: Scored, part: Part, ends: Ints, blank: Estimate, bound: float) -> list[Estimate]:
    least, most = choice.value_range(found.metric) or (0.0, 0.0)
    means = _sums(part.scores, ends) / ends
    fixed = [replace(blank, value=float(mean)) for mean in means]
    n = len(part.scores)
    scores = betting.Scores(
        np.arange(n), part.predicted, part.scores - part.predicted, np.full(n, bound * (most - least)), most - least
    )
    return choice.by_betting(_watched(found), scores, ends, fixed)


def _limits(found: Scored, part: Part, ends: Ints, blank: Estimate) -> list[Estimate]:
    course = _course(found, part, ends)
    return [_limit(found, blank, course, look) for look in range(len(ends))]


def _limit(found: Scored, blank: Estimate, course: _Course, look: int) -> Estimate:
    """Return the asymptotic sequence at a look, silent where there are too few outcomes."""
    value, error, events = float(course.mean[look]), float(course.error[look]), float(course.events[look])
    if events < choice.ENOUGH:
        reason = text("adaptive.silent", n=count(int(events)), enough=count(choice.ENOUGH))
        return not_evaluable(reason, blank.estimand, blank.n, value, blank.scale)
    tuning = max(round(float(course.time[look])), 1), _watched(found).n_planned
    alpha = error_rate(blank.level, blank.family)
    low, high = asymptotic.sequence(value, error, *tuning, alpha)
    return replace(
        blank,
        value=value,
        low=low,
        high=high,
        method=text("sequence.asymptotic", method=blank.method),
        holds=Holds.ALWAYS_IN_THE_LIMIT,
        p_value=asymptotic.p_value(value, error, *tuning, alpha),
    )


def _course(found: Scored, part: Part, ends: Ints) -> _Course:
    sides = [_events(found, part, variant) for variant in part.compared]
    begin = max(side.begin for side in sides)
    n = np.append(ends, begin)
    centre = float(part.scores.mean())
    total, square = _sums(part.scores - centre, n), _sums((part.scores - centre) ** 2, n)
    spread = np.maximum(square - total**2 / n, 0.0)
    # One that has not spoken yet needs no time.
    unit = spread[-1] / begin or 1.0
    events: Floats = np.stack([side.at(ends) for side in sides]).min(axis=0)
    return _Course((centre + total / n)[:-1], np.sqrt(spread[:-1]) / ends, events, spread[:-1] / unit)


@dataclass(frozen=True, slots=True)
class _Events:
    """The effective outcomes of a variant after each of its draws, `row` and `effective` (n_own,).

    `begin` is how many rows of all variants there were when they first were enough; all of them if never.
    """

    row: Ints
    effective: Floats
    begin: int

    def at(self, ends: Ints) -> Floats:
        """Return the effective outcomes after the first `ends` rows."""
        return np.concatenate([[0.0], self.effective])[np.searchsorted(self.row, ends)]


def _events(found: Scored, part: Part, variant: int) -> _Events:
    """Return the effective outcomes of a variant's draws; of a share, or of those without one if they are fewer."""
    row = np.flatnonzero(part.drawn.variant == variant)
    size, values = 1 / part.drawn.propensity[row], part.drawn.values[row]
    effective = _effective(size * np.abs(values))
    if found.is_share:
        effective = np.minimum(effective, _effective(size * (1 - values)))
    enough = np.flatnonzero(effective >= choice.ENOUGH)
    return _Events(row, effective, int(row[enough[0]]) + 1 if len(enough) else len(part.scores))


def _effective(weights: Floats) -> Floats:
    """Return the effective size of the weights so far, (n,)."""
    square = np.cumsum(weights**2)
    return np.divide(np.cumsum(weights) ** 2, square, out=np.zeros(len(weights)), where=square > 0)


def _sums(values: Floats, n: Ints) -> Floats:
    """Return the sum of the first n values, for each n of at least 1."""
    bounds = np.unique(n)
    between = np.add.reduceat(values[: bounds[-1]], np.append(0, bounds[:-1]))
    return np.asarray(np.cumsum(between)[np.searchsorted(bounds, n)])
