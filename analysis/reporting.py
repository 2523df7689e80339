"""From a log to a report: which subjects and estimators the design of the experiment allows, and the tables of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from analysis import assembling, designs
from analysis.arrays import distinct
from analysis.candidates import candidates
from analysis.checks import drift
from analysis.checks.predicting import Learned, learned_in
from analysis.designs import shadow
from analysis.designs.findings import Findings
from analysis.document import (
    Count,
    Grid,
    Health,
    Period,
    Report,
)
from analysis.logs import frames
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.parquet_source import open_log
from analysis.logs.sources import LogSource
from analysis.pages import describing
from analysis.texts import Text, text
from engine.clock import from_micros
from engine.records import Source


def report(
    log: str | Path | LogSource, experiment_id: str, *, in_full: bool = True, learned: Learned | None = None
) -> Report:
    """Return the report on one experiment of a store's directory, or of any source of a log.

    What a policy predicts is checked where its snapshots can be read: those beside the log, or `learned`.

    Not in full, it has its verdict with the checks and tables that this stands on, and nothing that explains them: no
    notes, nothing over time, no segments, days since exposure, chances to win, effects of cutting and of factors. That
    is for simulations, which read many reports.

    Raises:
        UnknownExperiment: the log has no such experiment.
        StoreUnavailable: there is no store in the directory.
    """
    if isinstance(log, (str, Path)):
        with closing(open_log(log)) as reader:
            return report(reader, experiment_id, in_full=in_full, learned=learned_in(log, reader))
    frame = frames.read(log, experiment_id)
    sections = tuple(_sections(log, frame, learned)) if in_full else ()
    beside = tuple(candidates(log, frame)) if in_full else ()
    steps = describing.steps(log.history(experiment_id))
    return replace(_written(frame, in_full=in_full), sections=sections, candidates=beside, history=steps)


def _sections(log: LogSource, frame: Frame, learned: Learned | None) -> Iterator[Grid]:
    if frame.experiment.policy.learns:
        yield drift.grid(drift.findings(frame, learned))
    beside = shadow.grid(log, frame)
    if beside is not None:
        yield beside


def _written(frame: Frame, *, in_full: bool) -> Report:
    experiment = frame.experiment
    # Where an answer is no single variant of a fixed list, nothing but groups compares, as in a bandit.
    is_test = not experiment.policy.learns and frame.answers is Answers.VARIANT
    find = designs.tested if is_test else designs.learned
    findings = find(frame, in_full=in_full)
    found = assembling.assembled(
        experiment,
        findings.metrics,
        _health(frame, findings),
        (*_cautions(frame), *findings.cautions),
        design=findings.design,
        status=frame.state.status,
        is_running=not frame.is_over,
    )
    return replace(found, traffic=findings.traffic, allocation=findings.allocation)


def _cautions(frame: Frame) -> tuple[Text, ...]:
    sources = set(frame.assignments.source.tolist())
    told = (Source.IMPORTED.value, Source.REPLAYED.value)
    return tuple(text(f"caution.{source}") for source in told if source in sources)


def _health(frame: Frame, findings: Findings) -> Health:
    rows = frame.assignments
    is_answer = rows.is_first_slot
    by_source = Counter(rows.source[is_answer].tolist())
    left_out = (*_not_drawn(frame), *frame.left_out, *findings.left_out)
    return Health(
        n_assignments=int(is_answer.sum()),
        n_units=len(distinct(rows.unit_key)),
        n_outcomes=len(frame.outcomes),
        period=_period(frame),
        sources=tuple(Count(n, text(f"source.{source}")) for source, n in sorted(by_source.items())),
        checks=findings.checks,
        left_out=tuple(count for count in left_out if count.n),
        grids=findings.grids,
        evidence=findings.evidence,
    )


def _not_drawn(frame: Frame) -> list[Count]:
    """Answers without a draw, by reason: in no estimate of a variant, and still in the contrast of groups."""
    reasons = Counter(frame.assignments.reason[~frame.assignments.is_draw].tolist())
    return [
        Count(n, text("left_out.not_drawn", reason=text(f"reason.{reason}"))) for reason, n in sorted(reasons.items())
    ]


def _period(frame: Frame) -> Period | None:
    at = frame.assignments.at
    if not len(at):
        return None
    return Period(*(from_micros(int(time)).isoformat() for time in (at.min(), at.max(), frame.end)))
