"""What may be recorded as an outcome: its name and value follow from the metrics that are made of it.

Within one experiment all its metrics must agree to a value, where conversions and retentions, which only ask whether
there was an outcome, agree to what the others do. Between experiments one that agrees is enough: what one team
declares does not close the door to another team's outcomes.

A score outside its range is refused, because nobody can have given it. An amount is let in whatever its metric's range
or cap: those bound what an assignment's outcomes come to together, so a large order and its refund are both true. What
they come to is cut when it is read (`engine.rewards`, `analysis.logs.metrics`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from engine.errors import InvalidRequest
from engine.experiments import Experiment
from engine.metrics import Metric, MetricKind, by_outcome

_ONLY_ASK_WHETHER = (MetricKind.CONVERSION, MetricKind.RETENTION)
_HIGHEST_NPS = 10


class OutcomeRules:
    """What may be recorded, by all experiments together."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        """Gather the metrics by outcome, and what each metric is made of."""
        self._metrics: dict[str, list[tuple[Metric, ...]]] = {}
        self._sources: dict[str, set[str]] = {}
        for experiment in experiments:
            for outcome, metrics in by_outcome(experiment.metrics).items():
                self._metrics.setdefault(outcome, []).append(metrics)
            for metric in experiment.metrics:
                self._sources.setdefault(metric.name, set()).update(experiment.sources(metric))

    def check(self, outcome: str, value: float) -> None:
        """Let pass what can be recorded.

        Raises:
            InvalidRequest: no metric is made of an outcome of this name, or none allows the value.

        >>> from engine.files import load
        >>> score = load("{experiment: hero, variants: [plain, bold], metrics: {score: {kind: nps}}}")
        >>> OutcomeRules([score]).check("score", 11)
        Traceback (most recent call last):
        engine.errors.InvalidRequest: the value of 'score' must be a whole number from 0 to 10
        """
        if outcome not in self._metrics:
            raise InvalidRequest(self._unknown(outcome))
        if not math.isfinite(value):
            raise InvalidRequest(f"the value of {outcome!r} must be a finite number")
        refusals = [why_refused(metrics, value) for metrics in self._metrics[outcome]]
        if all(refusals):
            raise InvalidRequest(refusals[0])

    def _unknown(self, name: str) -> str:
        if name in self._sources:
            return f"metric {name!r} is computed from {_listed(self._sources[name])}: record that"
        return f"no experiment declares a metric {name!r}: there are {_listed(self._metrics)}"


def why_refused(metrics: Sequence[Metric], value: float) -> str:
    """Return why a finite value is no outcome of these metrics of one experiment, or nothing where it is one.

    >>> why_refused([Metric("visits", MetricKind.COUNT), Metric("visited", of="visits")], 1.5)
    "the value of 'visits' must be a whole number, 0 or more"
    """
    readers = [metric for metric in metrics if metric.kind not in _ONLY_ASK_WHETHER]
    if not readers:
        name = metrics[0].outcome
        return "" if value == 1 else f"{name!r} is a conversion, which happens or not: leave the value out"
    return next(filter(None, (_why_unreadable(metric, value) for metric in readers)), "")


def _why_unreadable(metric: Metric, value: float) -> str:
    low, high = metric.range or (-math.inf, math.inf)
    match metric.kind:
        case MetricKind.COUNT if value < 0 or value % 1:
            return f"the value of {metric.outcome!r} must be a whole number, 0 or more"
        case MetricKind.NPS if value % 1 or not 0 <= value <= _HIGHEST_NPS:
            return f"the value of {metric.outcome!r} must be a whole number from 0 to {_HIGHEST_NPS}"
        case MetricKind.CSAT | MetricKind.CES if not low <= value <= high:
            return f"the value of {metric.outcome!r} must be a score from {low:g} to {high:g}"
        case _:
            return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none yet"
