"""The rules of metrics, and of how they are to be read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from engine.experiments import Experiment, FieldType, Looking
from engine.metrics import Metric, MetricKind, Role, by_outcome

MAX_WINDOW = timedelta(days=36_500)
"""The longest window or grace: an assignment's time plus its window must be a time."""

MAX_LOOKS = 50
"""The most planned looks."""

SUM_TOLERANCE = 1e-9
"""How far from 1 the sum of weights may be."""

HAPPENS = (MetricKind.CONVERSION, MetricKind.RETENTION)
"""Kinds that only ask whether there was an outcome."""

SUMS = (MetricKind.COUNT, MetricKind.REVENUE)
"""Kinds that add up the outcomes' values."""

NPS_RANGE = (0.0, 10.0)
"""The lowest and the highest score that an NPS is made of."""

_MEANS_OF_SCORES = (MetricKind.CSAT, MetricKind.CES)

_KINDS_WITH: Mapping[str, tuple[MetricKind, ...]] = {
    "per": (MetricKind.RATIO,),
    "after": tuple(kind for kind in MetricKind if kind is not MetricKind.RATIO),
    "cap": (*SUMS, MetricKind.QUANTILE),
    "winsor": SUMS,
    "range": (*SUMS, *_MEANS_OF_SCORES, MetricKind.NPS),
    "quantile": (MetricKind.QUANTILE,),
}
"""Which kinds may have a field; any kind may have the fields that are not here."""

_READ_AS: Mapping[MetricKind, str] = {
    MetricKind.COUNT: "a number of times",
    MetricKind.REVENUE: "an amount",
    MetricKind.CSAT: "a score",
    MetricKind.CES: "a score",
    MetricKind.NPS: "a score",
}
"""What a kind takes an outcome's value for; the others take it as it comes, or only ask whether there was one."""


def with_windows(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Return the metrics, each ratio that leaves out its window with that of the metric above its line.

    >>> week, year = Metric("orders", window=timedelta(7)), Metric("paid", window=timedelta(365))
    >>> with_windows((year, week, Metric("value", MetricKind.RATIO, of="paid", per="orders")))[2].window.days
    365
    """
    windows = {metric.name: metric.window for metric in metrics}
    left_out = Metric("").window
    return tuple(
        replace(metric, window=windows.get(metric.of, left_out))
        if metric.kind is MetricKind.RATIO and metric.window == left_out
        else metric
        for metric in metrics
    )


def metric_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that a metric breaks."""
    if not experiment.metrics:
        yield "it needs at least one metric"
    for metric in experiment.metrics:
        yield from _time_problems(metric)
        yield from _kind_problems(metric)
        yield from _limit_problems(metric)
        yield from _range_problems(metric)
        yield from _role_problems(metric)
        yield from _source_problems(experiment, metric)
        yield from field_problems(
            experiment, f"the covariates of metric {metric.name!r}", metric.covariates, FieldType.NUMBER
        )
    yield from _outcome_problems(experiment)


def _time_problems(metric: Metric) -> Iterator[str]:
    if metric.window <= timedelta(0):
        yield f"the window of metric {metric.name!r} must be longer than nothing"
    if metric.window > MAX_WINDOW:
        yield f"the window of metric {metric.name!r} must have {MAX_WINDOW.days} days at most"
    if metric.after and not timedelta(0) < metric.after < metric.window:
        yield f"`after` of metric {metric.name!r} must be shorter than its window, and not negative"
    if metric.kind is MetricKind.RETENTION and not metric.after:
        yield f"metric {metric.name!r} is a retention, which needs `after`: from when on coming back counts"


def _kind_problems(metric: Metric) -> Iterator[str]:
    plain = Metric(metric.name)
    for name, kinds in _KINDS_WITH.items():
        if getattr(metric, name) != getattr(plain, name) and metric.kind not in kinds:
            yield f"metric {metric.name!r} is of kind {metric.kind.value}, which has no `{name}`"
    if metric.kind is MetricKind.QUANTILE and metric.quantile is None:
        yield f"metric {metric.name!r} needs `quantile`: which one, such as 0.9"


def _limit_problems(metric: Metric) -> Iterator[str]:
    if metric.cap is not None and not 0 < metric.cap < math.inf:
        yield f"the cap of metric {metric.name!r} must be a positive number"
    if metric.winsor is not None and not 0.5 < metric.winsor < 1:
        yield f"`winsor` of metric {metric.name!r} is {metric.winsor:g} and must be in (0.5, 1)"
    if metric.cap is not None and metric.winsor is not None:
        yield f"metric {metric.name!r} has `cap` and `winsor`, which both cut large values: give one of the two"
    if metric.quantile is not None and not 0 < metric.quantile < 1:
        yield f"`quantile` of metric {metric.name!r} is {metric.quantile:g} and must be in (0, 1)"


def _range_problems(metric: Metric) -> Iterator[str]:
    if metric.range is None:
        return
    low, high = metric.range
    if not -math.inf < low < high < math.inf:
        yield f"the range of metric {metric.name!r} must be two numbers, the lower one first"
    elif metric.kind is MetricKind.NPS and metric.range != NPS_RANGE:
        yield f"metric {metric.name!r} is of kind nps, whose scores range from 0 to 10: leave `range` out"
    elif metric.kind in SUMS and not low <= 0 <= high:
        yield f"the range of metric {metric.name!r} must contain 0: so much do those bring who bring nothing"
    elif metric.cap is not None and metric.cap > high:
        yield f"the range of metric {metric.name!r} must contain its cap"


def _role_problems(metric: Metric) -> Iterator[str]:
    is_guardrail = metric.role is Role.GUARDRAIL
    if is_guardrail and metric.margin is None:
        yield f"metric {metric.name!r} is a guardrail, which needs a `margin`: how much worse it may be, such as 0.02"
    if not is_guardrail and metric.margin is not None:
        yield f"metric {metric.name!r} has a `margin`, which only a guardrail has: add `role: guardrail`"
    if metric.margin is not None and not 0 < metric.margin < 1:
        yield f"the margin of metric {metric.name!r} is {metric.margin:g} and must be a share in (0, 1)"
    if metric.effect is not None and not 0 < metric.effect < math.inf:
        yield f"the effect of metric {metric.name!r} must be a positive share, such as 0.05 for 5 %"


def _source_problems(experiment: Experiment, metric: Metric) -> Iterator[str]:
    if metric.kind is MetricKind.RATIO:
        yield from _ratio_problems(experiment, metric)
        return
    source = experiment.metric(metric.outcome)
    if source is not None and source.kind is MetricKind.RATIO:
        yield f"metric {metric.name!r} is made of {metric.outcome!r}, which is a ratio and no outcome"
    if metric.of and (not metric.of.strip() or len(metric.of) > 200 or not metric.of.isprintable()):
        yield f"`of` of metric {metric.name!r} must name an outcome by 1 to 200 printable characters"


def _ratio_problems(experiment: Experiment, ratio: Metric) -> Iterator[str]:
    parts = [experiment.metric(ratio.of), experiment.metric(ratio.per)]
    if ratio.of == ratio.per or None in parts:
        yield f"metric {ratio.name!r} is a ratio, so `of` and `per` must name two metrics, such as revenue and orders"
        return
    for part in filter(None, parts):
        if part.kind not in (*HAPPENS, *SUMS):
            yield (
                f"metric {ratio.name!r} is a ratio and names {part.name!r}, which is of kind {part.kind.value}: "
                "it must be conversion, count, revenue or retention"
            )
        if part.window != ratio.window:
            yield f"ratio {ratio.name!r} and its metric {part.name!r} must have the same window"


def _outcome_problems(experiment: Experiment) -> Iterator[str]:
    for outcome, metrics in by_outcome(experiment.metrics).items():
        read_as = {_READ_AS[metric.kind]: metric for metric in metrics if metric.kind in _READ_AS}
        if len(read_as) > 1:
            (one, first), (other, second) = list(read_as.items())[:2]
            yield (
                f"metrics {first.name!r} and {second.name!r} are made of outcome {outcome!r}, whose value cannot be "
                f"{one} and {other}: record two outcomes"
            )


def field_problems(experiment: Experiment, what: str, names: tuple[str, ...], type_: FieldType) -> Iterator[str]:
    """Yield a sentence for every name that is not that of a declared flag or field of a type, each once."""
    declared = {field.name for field in experiment.context if field.type in (type_, FieldType.FLAG)}
    for name, count in Counter(names).items():
        if name not in declared:
            yield f"{what} name {name!r}, which must be declared in `context` as a {type_.value} or flag"
        if count > 1:
            yield f"{what} name {name!r} {count} times: once is enough"


def plan_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that the plan or the segments break."""
    plan = experiment.plan
    if not 2 <= plan.looks <= MAX_LOOKS:
        yield f"the plan has {plan.looks} looks and must have 2 to {MAX_LOOKS}"
    if plan.n_units < 0:
        yield "`units` of the plan must not be negative"
    if plan.looking is Looking.PLANNED and not plan.n_units:
        yield "planned looks need `units`: how many units the last look has"
    if not 0.5 < plan.power < 1:
        yield f"the power of the plan is {plan.power:g} and must be in (0.5, 1)"
    yield from field_problems(experiment, "`segments`", experiment.segments, FieldType.TEXT)


def bad_names(what: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for every name that is there twice, is empty or does not print."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what} {name!r} is there {count} times: names must differ"
        if not is_name(name):
            yield f"{what} {name!r} must have a name of 1 to 200 printable characters"


def is_name(name: str) -> bool:
    """Whether something can be called so."""
    return bool(name.strip()) and len(name) <= 200 and name.isprintable()
