"""What a test finds: its subjects, each metric compared with the control, and what else can be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analysis.checks import bias
from analysis.deciding import novelty
from analysis.designs import comparing, fixed, parts
from analysis.designs.comparing import Comparing, Labels
from analysis.designs.findings import Findings, MetricFindings
from analysis.designs.fixed import Arrival
from analysis.document import Check, Count, Grid, Table
from analysis.factors import best, factorial
from analysis.logs import crediting, metrics
from analysis.logs.frames import Frame
from analysis.sequential import logged
from analysis.texts import Name, Text, probability, text
from engine.experiments import ExposureRule
from engine.metrics import Metric


def findings(frame: Frame, *, in_full: bool = True) -> Findings:
    """Return what a test finds; not in full, without what explains it."""
    arrival = fixed.arrivals(frame)
    labels = Labels(frame.variants, frame.control, logged.variants(frame.assignments), frame.experiment, frame.is_over)
    subjects = arrival.subjects
    ratio, evidence = parts.ratio_checks(frame, frame.assignments.is_usable, in_full=in_full)
    counted = text("traffic.draws" if arrival.repeats else "traffic.units")
    before = None if arrival.repeats else bias.before(frame, subjects, labels.names, labels.baseline)
    return Findings(
        design=_design(frame, arrival),
        metrics={
            metric.name: _metric(frame, arrival, metric, labels, in_full=in_full) for metric in frame.experiment.metrics
        },
        checks=(*_checks(ratio, arrival), *((before.check,) if before else ())),
        evidence=evidence,
        grids=(before.grid,) if before else (),
        traffic=fixed.traffic(frame, subjects.since, subjects.label, counted) if in_full else None,
        allocation=None,
        left_out=(
            Count(arrival.n_unexposed, text("left_out.unexposed")),
            Count(subjects.n_switched, text("left_out.switched")),
            *crediting.not_credited(frame, subjects),
        ),
        cautions=fixed.cautions(frame, arrival),
    )


def _checks(ratio: tuple[Check, ...], arrival: Arrival) -> tuple[Check, ...]:
    """Return the ratio checks; unequal exposure stops nothing where all assigned units are compared."""
    if not arrival.is_intention_to_treat or arrival.p_value is None:
        return ratio
    assigned, *exposed = ratio
    said = text("balance.exposed_unequally", p=probability(arrival.p_value))
    return assigned, *(replace(check, holds=None, sentence=said) for check in exposed)


def _design(frame: Frame, arrival: Arrival) -> Text:
    """Return how the log was made and what is compared therefore."""
    if arrival.is_intention_to_treat:
        return text("design.intention_to_treat")
    if arrival.repeats:
        return text("design.repeats")
    if frame.experiment.exposure is ExposureRule.REPORTED:
        return text("design.exposed")
    return text("design.epochs" if len(frame.epochs) > 1 else "design.test")


def _metric(frame: Frame, arrival: Arrival, metric: Metric, labels: Labels, *, in_full: bool) -> MetricFindings:
    sample = metrics.sample(frame, arrival.subjects, metric)
    compared = Comparing.of(sample, metric, labels)
    return MetricFindings(
        (_variants(compared), *_factors(frame, compared)),
        sample.n_open,
        parts.notes(compared) if in_full else (),
        comparing.over_time(compared) if in_full else None,
        (*_combinations(frame, compared), *_more(frame, arrival, compared)) if in_full else (),
    )


def _variants(metric: Comparing) -> Table:
    labels = metric.labels
    rows = comparing.compared(metric, labels.alone, labels.baseline)
    return Table("variants", text("table.variants"), parts.counted(metric), labels.names[labels.baseline], rows)


def _factors(frame: Frame, metric: Comparing) -> Iterator[Table]:
    """Yield for each factor its levels against the first one, the other factors' levels weighted evenly."""
    for factor in frame.experiment.factors:
        sides = [(level, parts.having(frame, factor.name, level)) for level in factor.levels]
        title = text("table.factor", factor=factor.name)
        rows = comparing.compared(metric, sides, 0)
        yield Table(
            f"factor {factor.name}", title, parts.counted(metric), factor.levels[0], rows, text("table.factor_note")
        )


def _combinations(frame: Frame, metric: Comparing) -> Iterator[Grid]:
    """Yield effects and interactions of factors, and the best combination, which hold at one look alone."""
    if not frame.experiment.factors or not metric.is_plain:
        return
    declared: dict[Name, Mapping[str, str]] = {variant.name: variant.levels for variant in frame.experiment.variants}
    levels = [declared.get(name, {}) for name in frame.variants]
    better = metric.metric.better
    yield factorial.effects(metric.cells, frame.experiment.factors, levels, better=better)
    yield best.best(metric.cells, frame.variants, baseline=frame.control, better=better)


def _more(frame: Frame, arrival: Arrival, metric: Comparing) -> Iterator[Grid]:
    """Yield what explains a lift, and is no verdict."""
    yield from parts.extremes(metric)
    if not metric.is_plain:
        return
    yield from parts.by_segment(frame, arrival.subjects, metric)
    days = novelty.days(frame, arrival.subjects, metric.metric)
    found = novelty.grid(days, metric.metric, metric.labels.names, metric.labels.baseline) if days else None
    if found is not None:
        yield found
    yield from parts.chances(metric)
