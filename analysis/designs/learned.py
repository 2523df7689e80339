"""What a policy that learns finds: its groups against each other, its variants corrected for how they were drawn.

The contrast of groups comes first. Units were drawn into the control's share before the policy saw them, so it is a
plain test of the policy as a whole, and the only answer for what belongs to a unit. Variants are compared by weighted
scores where an assignment has the metric by itself; their naive means stand beside those and never alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analysis import adaptive
from analysis.checks import balance, bias, lateness
from analysis.designs import comparing, fixed, parts
from analysis.designs.comparing import Comparing, Labels, alone
from analysis.designs.findings import Findings, MetricFindings
from analysis.document import Count, Grid, Row, Table, Word
from analysis.estimate import Estimate, Validity
from analysis.lifts import lift
from analysis.logs import crediting, metrics
from analysis.logs.crediting import Part, Subjects
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.metrics import Sample
from analysis.sequential import logged
from analysis.texts import Text, text
from engine.metrics import Metric


def findings(frame: Frame, *, in_full: bool = True) -> Findings:
    """Return what a policy that learns finds; not in full, without what explains it."""
    rows = frame.assignments
    drawn = adaptive.draws(frame)
    subjects = crediting.assignments(frame, drawn & rows.is_exposed)
    groups = adaptive.group_subjects(frame)
    labels = Labels(
        adaptive.GROUPS, adaptive.CONTROL_GROUP, logged.groups(frame.assignments), frame.experiment, frame.is_over
    )
    ratio, evidence = parts.ratio_checks(frame, drawn, in_full=in_full)
    is_one = frame.answers is Answers.VARIANT
    before = bias.before(frame, groups, labels.names, labels.baseline) if _has_groups(frame) else None
    return Findings(
        design=_design(frame),
        metrics={
            metric.name: _metric(frame, subjects, (groups, labels), metric, in_full=in_full)
            for metric in frame.experiment.metrics
        },
        checks=(
            *ratio,
            *((balance.groups(frame),) if _has_groups(frame) else ()),
            *((before.check,) if before else ()),
        ),
        evidence=evidence,
        grids=(before.grid,) if before else (),
        traffic=fixed.traffic(frame, rows.at[drawn], rows.variant[drawn], _caption(frame)) if in_full else None,
        allocation=adaptive.allocation(frame) if in_full else None,
        left_out=(
            Count(int((drawn & ~rows.is_exposed).sum()), text("left_out.unexposed_draws")),
            Count(adaptive.n_ungrouped(frame), text("left_out.ungrouped")),
            Count(groups.n_switched, text("left_out.switched_groups")),
            *lateness.late(frame, subjects),
            *(crediting.not_credited(frame, subjects, Part.MEANS) if is_one else ()),
            *crediting.not_credited(frame, groups, Part.GROUPS),
        ),
        cautions=(),
    )


def _design(frame: Frame) -> Text:
    """Return how the log was made and what is compared therefore."""
    what = "bandit" if frame.answers is Answers.VARIANT else frame.answers.value
    return text(f"design.{what}_groups" if _has_groups(frame) else f"design.{what}")


def _caption(frame: Frame) -> Text:
    return text("traffic.places" if frame.answers is Answers.CANDIDATES else "traffic.draws")


def _has_groups(frame: Frame) -> bool:
    return bool(frame.assignments.is_control_group.any())


def _metric(
    frame: Frame, subjects: Subjects, labelled: tuple[Subjects, Labels], metric: Metric, *, in_full: bool
) -> MetricFindings:
    groups, labels = labelled
    grouped = metrics.sample(frame, groups, metric)
    both = Comparing.of(grouped, metric, labels)
    by_group = _groups(frame, both)
    notes = parts.notes(both) if in_full and _has_groups(frame) else ()
    over_time = comparing.over_time(both) if in_full and _has_groups(frame) else None
    grids = tuple(_of_groups(frame, groups, both)) if in_full and _has_groups(frame) else ()
    no_variants = _why_groups_alone(frame, metric)
    if no_variants is not None:
        return MetricFindings((by_group,), grouped.n_open, (*notes, no_variants), over_time, grids)
    scored = adaptive.scored(frame, metrics.sample(frame, subjects, metric), metric)
    by_variant = adaptive.variants(scored), _naive(frame, scored.sample, metric)
    tables = (by_group, *by_variant) if _has_groups(frame) else (by_variant[0], by_group, by_variant[1])
    if not in_full:
        return MetricFindings(tables, grouped.n_open, notes)
    over_time = over_time if _has_groups(frame) else adaptive.over_time(scored)
    return MetricFindings(tables, grouped.n_open, notes, over_time, (adaptive.weights(scored), *grids))


def _why_groups_alone(frame: Frame, metric: Metric) -> Text | None:
    """Return why no variant has an estimate of its own, or None where each has."""
    if frame.answers is not Answers.VARIANT:
        return text(f"note.{frame.answers.value}")
    return None if adaptive.is_by_assignment(metric) else text("note.by_unit")


def _groups(frame: Frame, both: Comparing) -> Table:
    """Return the policy's group against the control's, or all that was served where there is no control's."""
    units = text("table.units")
    if _has_groups(frame):
        rows = comparing.compared(both, both.labels.alone, adaptive.CONTROL_GROUP)
        baseline = adaptive.GROUPS[adaptive.CONTROL_GROUP]
        return Table("groups", text("table.groups"), units, baseline, rows, text("table.groups_note"))
    served = comparing.shown(both, both.labels.alone[adaptive.POLICY_GROUP :])
    return Table("served", text("table.served"), units, "", served, text("table.served_note"))


def _naive(frame: Frame, sample: Sample, metric: Metric) -> Table:
    """Return each variant over its own draws, marked as naive and compared with nothing."""
    cells = metrics.cells(sample, metric, len(frame.variants), stratified=False)
    rows = tuple(Row(name, Word.NOT_COMPARED, _marked(lift.value(cells, of))) for name, of in alone(frame.variants))
    return Table("naive", text("table.naive"), text("table.draws"), "", rows, text("table.naive_note"))


def _marked(value: Estimate) -> Estimate:
    return replace(value, validity=Validity.NAIVE) if value.interval else value


def _of_groups(frame: Frame, groups: Subjects, both: Comparing) -> Iterator[Grid]:
    """Yield what explains the contrast of groups."""
    yield from parts.extremes(both)
    if both.is_plain:
        yield from parts.by_segment(frame, groups, both)
        yield from parts.chances(both)
