"""What both designs show: ratio checks, segments, chances, what cutting changes, and notes."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.arrays import Flags
from analysis.checks import balance
from analysis.deciding import bayes, segments
from analysis.designs import comparing
from analysis.designs.comparing import Comparing
from analysis.document import Check, Grid, Timeline
from analysis.lifts import uncapped
from analysis.lifts.cells import Side, side
from analysis.logs import metrics
from analysis.logs.crediting import Counted, Subjects
from analysis.logs.frames import Frame
from analysis.texts import Text, count, text
from engine.experiments import ExposureRule


def ratio_checks(frame: Frame, drawn: Flags, *, in_full: bool) -> tuple[tuple[Check, ...], tuple[Timeline, ...]]:
    """Return the ratio checks, in full with their evidence over time.

    The assigned draws test the engine; the exposed ones, where exposures are reported, the product.
    """
    asked = {"assigned": drawn}
    if frame.experiment.exposure is ExposureRule.REPORTED:
        asked["exposed"] = drawn & frame.assignments.is_exposed
    draws = [(text(f"balance.{name}"), balance.independent(frame, chosen)) for name, chosen in asked.items()]
    shown = [balance.evidence(frame, index, title) for title, index in draws] if in_full else []
    checks = tuple(balance.variants(frame, index, title) for title, index in draws)
    return checks, tuple(each for each in shown if each is not None)


def counted(metric: Comparing) -> Text:
    """Return the words of what n counts."""
    return text("table.units" if metric.sample.counted is Counted.UNIT else "table.draws")


def having(frame: Frame, factor: str, level: str) -> Side:
    """Return the even mix of the variants with a level of a factor."""
    members = [frame.variants.index(v.name) for v in frame.experiment.variants if v.levels.get(factor) == level]
    return side(len(frame.variants), members)


def notes(metric: Comparing) -> tuple[Text, ...]:
    """Return what a reader must know of a metric's comparisons."""
    said = [text("note.together")] if len(metric.labels.names) > 2 else []
    said += metrics.filled(metric.sample, metric.metric)
    if n := comparing.n_alone(metric):
        said.append(text("note.alone", n=count(n)))
    if not metric.labels.is_over and metric.is_goal and metric.is_plain:
        said.append(comparing.days_remaining(metric))
    return tuple(said)


def extremes(metric: Comparing) -> Iterator[Grid]:
    """Yield values and lifts with and without the cut of large values, where one is declared."""
    whole = metrics.uncapped(metric.sample, metric.metric, len(metric.labels.names)) if metric.is_plain else None
    if whole is not None:
        cut = metrics.share_cut(metric.sample, len(metric.labels.names))
        yield uncapped.grid(metric.labels.names, metric.cells, whole, cut, metric.labels.baseline)


def by_segment(frame: Frame, subjects: Subjects, metric: Comparing) -> Iterator[Grid]:
    """Yield lifts by each text and flag of the context, as it was at a unit's first assignment."""
    fields = segments.fields(frame.experiment)
    first = subjects.first[: len(metric.sample)]
    for field in fields:
        found = segments.grid(
            segments.of_field(frame.context(field), first),
            metric.sample,
            metric.metric,
            field,
            names=metric.labels.names,
            control=metric.labels.baseline,
            n_fields=len(fields),
        )
        if found is not None:
            yield found


def chances(metric: Comparing) -> Iterator[Grid]:
    """Yield each label's chance to win and what choosing it is expected to cost."""
    yield bayes.shown(metric.cells, metric.labels.names, metric.labels.baseline, metric.metric.better)
