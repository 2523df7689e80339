"""From a log to a report: which subjects and estimators the design of the experiment allows, and the tables of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis import adaptive, balance, crediting, fixed, frames, glossary, tables
from analysis.arrays import Flags
from analysis.document import (
    REPORT_VERSION,
    Check,
    Count,
    Definition,
    Health,
    MetricReport,
    Period,
    Report,
    Table,
    Timeline,
)
from analysis.frames import Frame
from analysis.verdict import primary, verdict
from engine.clock import from_micros
from engine.experiments import ExposureRule, Metric, MetricKind, Status
from engine.ports import Reader
from engine.records import Source
from engine.storage import open_reader

_SOURCES = {
    Source.LIVE.value: "answered live",
    Source.LOCAL.value: "decided in the caller's process",
    Source.IMPORTED.value: "imported from another system's log",
    Source.REPLAYED.value: "answered to a replay or a simulation",
}


@dataclass(frozen=True, slots=True)
class _Findings:
    """What depends on the design: tables of each metric, traffic, and what was left out and must be said."""

    counted: str
    tables: dict[str, tuple[Table, ...]]
    n_open: dict[str, int]
    checks: tuple[Check, ...]
    traffic: Timeline | None
    allocation: Timeline | None
    left_out: tuple[Count, ...]
    cautions: tuple[str, ...]


def report(log: str | Path | Reader, experiment_id: str) -> Report:
    """Return the report on one experiment of a store's directory, or of any reader of a log.

    Raises:
        UnknownExperiment: the log has no such experiment.
        StoreUnavailable: there is no store in the directory.
    """
    if isinstance(log, (str, Path)):
        with closing(open_reader(log)) as reader:
            return _written(frames.read(reader, experiment_id))
    return _written(frames.read(log, experiment_id))


def _written(frame: Frame) -> Report:
    experiment = frame.experiment
    findings = _bandit(frame) if experiment.policy.learns else _test(frame)
    metrics = tuple(_metric(metric, findings) for metric in experiment.metrics)
    first = next(metric for metric in metrics if metric.name == primary(experiment))
    is_running = frame.state.status is Status.RUNNING
    cautions = (*_cautions(frame, len(metrics)), *findings.cautions)
    return Report(
        version=REPORT_VERSION,
        experiment_id=experiment.experiment_id,
        hypothesis=experiment.brief.hypothesis,
        brief=_brief(frame),
        status=frame.state.status.value,
        policy=experiment.policy.kind,
        control=experiment.control,
        verdict=verdict(first, findings.checks, cautions, is_running=is_running),
        health=_health(frame, findings),
        traffic=findings.traffic,
        allocation=findings.allocation,
        metrics=metrics,
        definitions=glossary.definitions(metrics, frame.experiment, is_adaptive=experiment.policy.learns),
    )


def _test(frame: Frame) -> _Findings:
    arrival = fixed.arrivals(frame)
    subjects = arrival.subjects
    note = fixed.exposure_note(arrival)
    left_out = (
        Count(arrival.n_unexposed, "units that were assigned and never exposed"),
        Count(subjects.n_switched, "units that met several variants: counted with their first one alone"),
        *crediting.not_credited(frame, subjects),
    )
    return _Findings(
        "units",
        {
            metric.name: (tables.variants(frame, subjects, metric), *tables.factors(frame, subjects, metric))
            for metric in frame.experiment.metrics
        },
        {metric.name: tables.n_open(frame, subjects, metric) for metric in frame.experiment.metrics},
        _draw_checks(frame, frame.assignments.is_usable),
        fixed.traffic(frame, subjects.since, subjects.label, "Units at their first exposure"),
        None,
        left_out,
        (note,) if note else (),
    )


def _bandit(frame: Frame) -> _Findings:
    rows = frame.assignments
    drawn = adaptive.draws(frame)
    subjects = crediting.assignments(frame, drawn & rows.is_exposed)
    by_group = adaptive.group_subjects(frame)
    has_groups = bool(rows.is_control_group.any())
    left_out = (
        Count(int((drawn & ~rows.is_exposed).sum()), "draws that were never exposed: not in the variants' means"),
        Count(by_group.n_switched, "units that were in both groups: counted with their first one alone"),
        *crediting.not_credited(frame, subjects, ", in the variants' means"),
        *crediting.not_credited(frame, by_group, ", in the comparison of groups, where each unit counts once"),
    )
    return _Findings(
        "draws",
        {
            metric.name: (tables.naive(frame, subjects, metric), tables.groups(frame, by_group, metric))
            for metric in frame.experiment.metrics
        },
        {metric.name: tables.n_open(frame, by_group, metric) for metric in frame.experiment.metrics},
        (*_draw_checks(frame, drawn), *((balance.groups(frame),) if has_groups else ())),
        fixed.traffic(frame, rows.at[drawn], rows.variant[drawn], "Draws of the policy"),
        adaptive.allocation(frame),
        left_out,
        (f"The means of single variants are no comparison. {tables.NAIVE}",),
    )


def _draw_checks(frame: Frame, drawn: Flags) -> tuple[Check, ...]:
    """The assigned draws test the engine; the exposed ones, where exposures are reported, the product."""
    checks = [balance.variants(frame, drawn, "assigned draws")]
    if frame.experiment.exposure is ExposureRule.REPORTED:
        checks.append(balance.variants(frame, drawn & frame.assignments.is_exposed, "exposed draws"))
    return tuple(checks)


def _metric(metric: Metric, findings: _Findings) -> MetricReport:
    found = findings.tables[metric.name]
    return MetricReport(
        metric.name,
        metric.kind.value,
        metric.window.total_seconds(),
        metric.cap,
        found,
        tuple(_metric_notes(metric, found, findings.n_open[metric.name])),
    )


def _metric_notes(metric: Metric, found: Sequence[Table], n_open: int) -> list[str]:
    notes = []
    if n_open:
        notes.append(f"{n_open:,} units are not in it yet: their window was still open at the log's end.")
    if metric.kind is MetricKind.REVENUE and metric.cap is None:
        notes.append(
            "No cap is declared, so a few large amounts can decide it, and no interval of an uncapped mean can "
            "promise its coverage: declare a `cap`."
        )
    if len(found[0].rows) > 2 and found[0].baseline:
        notes.append("The intervals of the lifts hold together, so they are wider than single ones (Bonferroni).")
    return notes


def _cautions(frame: Frame, n_metrics: int) -> tuple[str, ...]:
    said = []
    if frame.state.status is Status.RUNNING:
        said.append("It still runs. These intervals hold for one planned look, not for stopping when they please.")
    sources = set(frame.assignments.source.tolist())
    if Source.IMPORTED.value in sources:
        said.append("The log was imported: that its propensities are right is taken on trust.")
    if Source.REPLAYED.value in sources:
        said.append("Answers in this log were made by a replay or a simulation, not for live traffic.")
    if n_metrics > 1:
        said.append("Each metric stands by itself: the more there are, the likelier one of them differs by luck.")
    return tuple(said)


def _brief(frame: Frame) -> tuple[Definition, ...]:
    brief = frame.experiment.brief
    fields = {
        "Goal": brief.goal,
        "Segment": brief.segment,
        "Moment": brief.moment,
        "Channel": brief.channel,
        "Tactic": brief.tactic,
    }
    return tuple(Definition(term, meaning) for term, meaning in fields.items() if meaning)


def _health(frame: Frame, findings: _Findings) -> Health:
    rows = frame.assignments
    by_source = Counter(rows.source.tolist())
    left_out = (*_not_drawn(frame), *frame.left_out, *findings.left_out)
    return Health(
        n_assignments=len(rows),
        n_units=len(np.unique(rows.unit_key)),
        n_outcomes=len(frame.outcomes),
        period=_period(frame),
        sources=tuple(Count(n, _SOURCES[source]) for source, n in sorted(by_source.items())),
        checks=findings.checks,
        left_out=tuple(count for count in left_out if count.n),
    )


def _not_drawn(frame: Frame) -> list[Count]:
    """Answers without a draw, by reason: in no estimate of a variant, and still in the contrast of groups."""
    reasons = Counter(frame.assignments.reason[~frame.assignments.is_draw].tolist())
    return [
        Count(n, f"answers that were not drawn ({reason.replace('_', ' ')})") for reason, n in sorted(reasons.items())
    ]


def _period(frame: Frame) -> Period | None:
    at = frame.assignments.at
    if not len(at):
        return None
    return Period(*(from_micros(int(time)).isoformat() for time in (at.min(), at.max(), frame.end)))
