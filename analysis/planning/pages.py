"""A plan as tables: what each metric needs, what it would find week by week, and what looking early costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.document import Cell, Grid
from analysis.estimate import LEVEL, error_rate
from analysis.planning import needs
from analysis.planning.looking import design
from analysis.planning.needs import Baseline, Split
from analysis.texts import Text, count, duration, plain, share, text
from engine.experiments import Boundary, Experiment, Looking, Plan
from engine.metrics import Metric

DAY_S = 86_400.0
_WEEKS = (1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before the start: baselines by metric, and how many units come by in a day, 0 if unknown."""

    baselines: Mapping[str, Baseline]
    per_day: float = 0.0


def pages(experiment: Experiment, known: Known) -> tuple[Grid, ...]:
    """Return the tables of a test's plan: of the metrics with a baseline."""
    planned = [metric for metric in experiment.metrics if metric.name in known.baselines]
    looked = [metric for metric in planned if needs.is_in_question(known.baselines[metric.name], metric)]
    return (
        _needs(experiment, known, planned),
        *(_costs(experiment, known, metric) for metric in looked[:1]),
        *((_by_week(experiment, known, planned),) if known.per_day else ()),
    )


def _needs(experiment: Experiment, known: Known, planned: Sequence[Metric]) -> Grid:
    heads = ("metric", "control", "effect", "units", "days", "decided")
    rows = tuple(_need(experiment, known, metric) for metric in planned)
    return Grid("needs", text("plan.needs"), _heads(heads), rows, _needs_note(experiment))


def _need(experiment: Experiment, known: Known, metric: Metric) -> tuple[Cell, ...]:
    baseline = known.baselines[metric.name]
    value = share(baseline.mean) if baseline.shape.value == "share" else plain(round(baseline.mean, 6))
    if metric.effect is None:
        return metric.name, value, text("plan.no_effect"), None, None, None
    effect = needs.toward(metric)
    if not needs.can_be(baseline, effect):
        return metric.name, value, share(metric.effect), text("plan.impossible"), None, None
    n = needs.units(baseline, effect, Split.of(experiment), experiment.plan, needs.family(experiment, metric))
    wait = metric.window.total_seconds() + experiment.grace.total_seconds()
    return metric.name, value, share(metric.effect), *_units_and_days(n, known, wait)


def _units_and_days(n: float, known: Known, wait_s: float) -> tuple[Cell, Cell, Cell]:
    if not math.isfinite(n):
        return text("plan.never"), None, None
    if not known.per_day:
        return count(math.ceil(n)), None, None
    days = math.ceil(n / known.per_day)
    return count(math.ceil(n)), duration(days * DAY_S), duration(days * DAY_S + wait_s)


def _needs_note(experiment: Experiment) -> Text:
    split = Split.of(experiment)
    return text(
        "plan.needs_note",
        power=share(experiment.plan.power),
        level=share(LEVEL),
        control=share(split.control),
        smallest=share(split.smallest),
        looking=text(f"plan.looking_{experiment.plan.looking.value}"),
    )


def _costs(experiment: Experiment, known: Known, metric: Metric) -> Grid:
    """What the same metric needs under each way of looking, and when half of such tests would have found it."""
    rows = tuple(_cost(experiment, known, metric, name, plan) for name, plan in _ways(experiment.plan))
    heads = ("looks", "units", "times", "days", "typical")
    return Grid("looking", text("plan.looking", metric=metric.name), _heads(heads), rows, text("plan.looking_note"))


def _ways(plan: Plan) -> list[tuple[Text, Plan]]:
    looks = count(plan.looks)
    return [
        (text("plan.way_once"), replace(plan, looking=Looking.ONCE)),
        *(
            (
                text(f"plan.way_{boundary.value}", n=looks),
                replace(plan, looking=Looking.PLANNED, boundary=boundary),
            )
            for boundary in Boundary
        ),
        (text("plan.way_any"), replace(plan, looking=Looking.ANY)),
    ]


def _cost(experiment: Experiment, known: Known, metric: Metric, name: Text, plan: Plan) -> tuple[Cell, ...]:
    baseline, split, family = known.baselines[metric.name], Split.of(experiment), needs.family(experiment, metric)
    effect = needs.toward(metric)
    once = needs.units(baseline, effect, split, replace(plan, looking=Looking.ONCE), family)
    n, v = needs.units(baseline, effect, split, plan, family), needs.variance(baseline, effect, split)
    if not math.isfinite(n):
        return name, text("plan.never"), None, None, None
    theta = abs(effect * baseline.mean) / math.sqrt(v / n)
    typical = n * design(plan, error_rate(LEVEL, family)).typical_share(n, theta)
    days = [duration(math.ceil(each / known.per_day) * DAY_S) if known.per_day else None for each in (n, typical)]
    return name, count(math.ceil(n)), plain(round(n / once, 2)), days[0], days[1] or count(math.ceil(typical))


def _by_week(experiment: Experiment, known: Known, planned: Sequence[Metric]) -> Grid:
    """The least effect of each metric that is found after so many weeks."""
    columns = (text("plan.weeks"), text("plan.units"), *(text("plan.effect_in", metric=m.name) for m in planned))
    rows = tuple(_week(experiment, known, planned, weeks) for weeks in _WEEKS)
    return Grid("detectable", text("plan.detectable"), columns, rows, text("plan.detectable_note"))


def _week(experiment: Experiment, known: Known, planned: Sequence[Metric], weeks: int) -> tuple[Cell, ...]:
    n = 7 * weeks * known.per_day
    return duration(7 * weeks * DAY_S), count(int(n)), *(_found(experiment, known, metric, n) for metric in planned)


def _found(experiment: Experiment, known: Known, metric: Metric, n: float) -> Cell:
    family = needs.family(experiment, metric)
    least = needs.detectable(known.baselines[metric.name], n, Split.of(experiment), experiment.plan, family)
    return text("plan.not_found") if least is None else share(least)


def _heads(names: Sequence[str]) -> tuple[Text, ...]:
    return tuple(text(f"plan.{name}") for name in names)
