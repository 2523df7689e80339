"""Words about an experiment and its metrics as they were declared."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.document import Definition, Step
from analysis.texts import Text, amount, count, duration, plain, share, text
from engine.experiments import Brief, Change
from engine.metrics import Metric, MetricKind


def brief(declared: Brief) -> tuple[Definition, ...]:
    """Return what the brief says besides its hypothesis; what was not said is not there."""
    fields = {
        "goal": declared.goal,
        "segment": declared.segment,
        "moment": declared.moment,
        "channel": declared.channel,
        "tactic": declared.tactic,
    }
    return tuple(Definition(text(f"brief.{name}"), meaning) for name, meaning in fields.items() if meaning)


def what(metric: Metric) -> Text:
    """Return what a metric measures, and how it is bounded.

    >>> print(what(Metric("spend", MetricKind.REVENUE, cap=50.0)))
    Revenue: the sum of the amounts within 7 days of the exposure, each sum capped at 50
    """
    plainly = _kind(metric)
    if metric.cap is not None:
        return text("kind.capped", what=plainly, cap=plain(metric.cap))
    if metric.winsor is not None:
        return text("kind.winsorised", what=plainly, quantile=share(metric.winsor))
    return plainly


def notes(metric: Metric, n_open: int) -> tuple[Text, ...]:
    """Return what a reader must know of a metric's values: who is not in them yet, and what bounds them."""
    said = [text("note.open", n=count(n_open))] if n_open else []
    if metric.kind is MetricKind.REVENUE and metric.cap is None and metric.winsor is None:
        said.append(text("note.uncapped"))
    return tuple(said)


def steps(history: Sequence[Change]) -> tuple[Step, ...]:
    """Return the changes of an experiment's life, oldest first."""
    return tuple(Step(each.changed_at.isoformat(), each.actor, each.action, each.reason) for each in history)


def _kind(metric: Metric) -> Text:
    return text(
        f"kind.{metric.kind.value}",
        window=duration(metric.window.total_seconds()),
        after=duration(metric.after.total_seconds()),
        of=metric.of,
        per=metric.per,
        quantile=amount(metric.quantile or 0),
    )
