"""A report put together from what was found of each metric, wherever that was found."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.deciding import decisions, settling
from analysis.deciding.verdict import verdict
from analysis.designs.findings import MetricFindings
from analysis.document import REPORT_VERSION, Health, MetricReport, Report
from analysis.pages import describing, glossary
from analysis.texts import Text
from engine.candidate_rules import has_several_answers
from engine.experiments import Experiment, Status
from engine.metrics import Metric


def assembled(
    experiment: Experiment,
    found: Mapping[str, MetricFindings],
    health: Health,
    cautions: tuple[Text, ...],
    *,
    design: Text,
    status: Status,
    is_running: bool,
) -> Report:
    """Return the report on metrics of an experiment, by name, with words that agree; nothing over time but theirs.

    The verdict is about the primary metric, or the first that something was found of.
    """
    measured = tuple(_metric(experiment, each, found[each.name]) for each in experiment.metrics if each.name in found)
    reported, decided = settling.settled(measured, decisions.table(experiment, measured), health.checks)
    primary = next((each for each in reported if each.name == experiment.primary.name), reported[0])
    return Report(
        version=REPORT_VERSION,
        experiment_id=experiment.experiment_id,
        hypothesis=experiment.brief.hypothesis,
        brief=describing.brief(experiment.brief),
        status=status.value,
        policy=experiment.policy.kind,
        control=experiment.control,
        verdict=verdict(
            primary,
            health.checks,
            (*settling.cautions(primary, decided, health.checks), *cautions),
            brief=experiment.brief,
            period=health.period,
            is_running=is_running,
            why_alone=design if has_several_answers(experiment) else None,
        ),
        health=health,
        traffic=None,
        allocation=None,
        metrics=reported,
        definitions=glossary.definitions(reported, experiment),
        design=design,
        decisions=decided,
        primary=primary.name,
        looking=experiment.plan.looking,
    )


def _metric(experiment: Experiment, metric: Metric, found: MetricFindings) -> MetricReport:
    return MetricReport(
        metric.name,
        metric.kind.value,
        decisions.role_of(experiment, metric).value,
        describing.what(metric),
        found.tables,
        (*describing.notes(metric, found.n_open), *found.notes),
        over_time=found.over_time,
        grids=found.grids,
        better=metric.better,
    )
