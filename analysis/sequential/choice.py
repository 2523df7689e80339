"""Which sequence a difference gets, for looking at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.estimate import Estimate, Holds, Validity, error_rate, not_evaluable
from analysis.lifts.cells import Side
from analysis.logs.metrics import Sample
from analysis.sequential import asymptotic, betting
from analysis.sequential.betting import Scores
from analysis.texts import Text, count, plain, text
from engine.experiments import Looking, Plan
from engine.metrics import SCORES, Metric, MetricKind

ENOUGH = 20
"""An asymptotic sequence is silent until each side has so many events."""

_SHARES = (MetricKind.CONVERSION, MetricKind.RETENTION)
_SUMS = (MetricKind.COUNT, MetricKind.REVENUE)


@dataclass(frozen=True, slots=True)
class Watched:
    """A metric that is looked at while subjects still come.

    `probabilities` (n_strata, n_labels) are the logged ones of the labels in each stratum; None where they are not
    known, and then nothing is bet on. What is bet on is kept by the sides that were asked for: the table, the chart
    over time and the days remaining ask for the same.
    """

    sample: Sample
    metric: Metric
    plan: Plan
    probabilities: Floats | None = None
    kept: dict[bytes, Scores | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_planned(self) -> int:
        """The number of units at which sequences are tuned, never chosen from the data."""
        return asymptotic.tightest(self.plan)


def is_asked(plan: Plan, *, is_over: bool) -> bool:
    """Whether a plan asks for an interval that holds at any look: also of what is to be read once and still runs."""
    return plan.looking is Looking.ANY or (plan.looking is Looking.ONCE and not is_over)


def anytime(watched: Watched, plus: Side, minus: Side, fixed: Estimate) -> Estimate:
    """Return the difference of two sides with an interval that holds at any look.

    `fixed` is the same difference at one planned look, which gives the value, the words, the level and the family.
    """
    ends = np.array([len(watched.sample)])
    found = scores(watched, plus, minus)
    if found is not None:
        return by_betting(watched, found, ends, [fixed])[0]
    return by_limit(watched, ends, n_events(watched, plus, minus, ends), [fixed])[0]


def scores(watched: Watched, plus: Side, minus: Side) -> Scores | None:
    """Return what is bet on, or None where the rule asks for an asymptotic sequence."""
    key = plus.tobytes() + minus.tobytes()
    if key not in watched.kept:
        watched.kept[key] = _scores(watched, plus, minus)
    return watched.kept[key]


def _scores(watched: Watched, plus: Side, minus: Side) -> Scores | None:
    sample, bounds = watched.sample, value_range(watched.metric)
    if bounds is None or watched.probabilities is None or not _is_plain_mean(watched) or _departs(sample, bounds):
        return None
    present = np.bincount(sample.label, minlength=len(plus)) > 0
    if not present[(plus != 0) | (minus != 0)].all():
        return None
    found = betting.scores(
        sample.values, sample.label, sample.stratum, watched.probabilities, plus - minus, value_range=bounds
    )
    return found if len(found) else None


def value_range(metric: Metric) -> tuple[float, float] | None:
    """Return the least and the most that one subject can bring by declaration, or None where nothing is declared.

    >>> value_range(Metric("click")), value_range(Metric("spend", MetricKind.REVENUE, cap=80.0))
    ((0.0, 1.0), (0.0, 80.0))
    """
    if metric.kind in _SHARES:
        return 0.0, 1.0
    if metric.kind not in _SUMS:
        return None
    if metric.range is not None:
        return metric.range
    return (0.0, metric.cap) if metric.cap is not None else None


def by_betting(watched: Watched, found: Scores, ends: Ints, fixed: Sequence[Estimate]) -> list[Estimate]:
    """Return the betting sequence at looks that have seen the first `ends` (n_looks,) subjects.

    `fixed` has the same difference at each look as if it were the only one, all of one level and family.
    """
    alpha = error_rate(fixed[0].level, fixed[0].family)
    held = betting.sequence(found, ends, watched.n_planned, alpha)
    numbers = np.stack([held.mean, held.low, held.high, held.p_value], axis=1).tolist()
    return [
        _too_wide(one) if high - low >= 2 * found.reach else _bet_on(one, mean, low, high, p_value)
        for one, (mean, low, high, p_value) in zip(fixed, numbers, strict=True)
    ]


def by_limit(watched: Watched, ends: Ints, events: Ints, fixed: Sequence[Estimate]) -> list[Estimate]:
    """Return the asymptotic sequence at looks that have seen the first `ends` (n_looks,) subjects and `events`.

    `fixed` is as for `by_betting`; any estimate that is nearly normal will do.
    """
    departure = _departure(watched)
    looked = zip(fixed, ends.tolist(), events.tolist(), strict=True)
    return [in_the_limit(one, n, n_happened, watched.n_planned, departure) for one, n, n_happened in looked]


def n_events(watched: Watched, plus: Side, minus: Side, ends: Ints) -> Ints:
    """Return how many events the side with fewer of them has among the first `ends` (n_looks,) subjects.

    An event is a subject that brought something (of scores: that gave one). Of a share, those that brought nothing
    count as well, and the fewer of both are its events: near 1 it is as hard to know as near 0.
    """
    sample, kind = watched.sample, watched.metric.kind
    happened = (sample.per if kind in SCORES and sample.per is not None else sample.values) != 0
    kinds = (happened, ~happened) if kind in _SHARES else (happened,)
    counted = [np.cumsum(_of(side, sample) & one) for side in (plus, minus) for one in kinds]
    return np.concatenate([[0], np.min(counted, axis=0)])[ends]


def in_the_limit(fixed: Estimate, n: int, n_happened: int, n_planned: int, note: Text | None = None) -> Estimate:
    """Return the asymptotic sequence of a difference after n subjects, of whom the side with fewer had `n_happened`."""
    error = asymptotic.standard_error(fixed)
    if fixed.interval is None or fixed.value is None:
        return fixed
    if error is None:
        reason = text("sequence.no_width")
        return not_evaluable(reason, fixed.estimand, fixed.n, fixed.value, fixed.scale)
    if n_happened < ENOUGH:
        reason = text("sequence.silent", n=count(n_happened), enough=count(ENOUGH))
        return not_evaluable(reason, fixed.estimand, fixed.n, fixed.value, fixed.scale)
    tuning = n, n_planned, error_rate(fixed.level, fixed.family)
    low, high = asymptotic.sequence(fixed.value, error, *tuning)
    return replace(
        fixed,
        low=low,
        high=high,
        method=text("sequence.asymptotic", method=fixed.method),
        holds=Holds.ALWAYS_IN_THE_LIMIT,
        note=note or fixed.note,
        p_value=asymptotic.p_value(fixed.value, error, *tuning),
    )


def _bet_on(fixed: Estimate, mean: float, low: float, high: float, p_value: float) -> Estimate:
    # One difference, one number: the sequence's own centre differs from it by far less than its width.
    is_inside = fixed.value is not None and low <= fixed.value <= high
    return replace(
        fixed,
        value=fixed.value if is_inside else min(max(mean, low), high),
        low=low,
        high=high,
        method=text("sequence.betting"),
        validity=Validity.VALID,
        note=None,
        holds=Holds.ALWAYS,
        p_value=p_value,
    )


def _too_wide(fixed: Estimate) -> Estimate:
    return not_evaluable(text("sequence.whole_range"), fixed.estimand, fixed.n, fixed.value, fixed.scale)


def _of(side: Side, sample: Sample) -> Flags:
    """Whether each subject is of a side, (n,)."""
    return np.asarray(side != 0)[sample.label]


def _is_plain_mean(watched: Watched) -> bool:
    """Whether what is compared is the mean of a subject's own values: a winsorised one depends on all the others'."""
    sample = watched.sample
    return sample.per is None and not sample.covariates.shape[1] and watched.metric.winsor is None


def _departs(sample: Sample, bounds: tuple[float, float]) -> bool:
    return bool(((sample.values < bounds[0]) | (sample.values > bounds[1])).any())


def _departure(watched: Watched) -> Text | None:
    """Return the words for values outside of their declared range, or None."""
    bounds = value_range(watched.metric)
    if bounds is None or not _departs(watched.sample, bounds):
        return None
    return text("sequence.departs", low=plain(bounds[0]), high=plain(bounds[1]))
